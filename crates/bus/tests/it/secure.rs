//! Event bus and PostgreSQL over TLS: the right authority passes, and nothing else.

use bus::{Bus, BusError};
use chassis::Database;
use chassis::config::BusConfig;
use chassis::database::foundation;
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use testkit::{Authority, Nats, Postgres};

struct Foundation;

impl MigratorTrait for Foundation {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![foundation()]
    }
}

async fn refusal(config: &BusConfig) -> String {
    match Bus::connect(config, "test").await {
        Err(error @ BusError::Connect { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_event_bus_is_the_right_one() {
    let authority = Authority::new();
    let nats = Nats::start_secure(&authority);
    let config = nats.config();
    assert!(config.url.starts_with("tls://"), "{}", config.url);
    let bus = Bus::connect(&config, "test").await.unwrap();
    bus.client().flush().await.unwrap();

    let foreign = BusConfig {
        authority: Some(Authority::new().file()),
        ..config.clone()
    };
    // Its folder is gone with it: what cannot be read is no connection that is tried again.
    let error = Bus::connect(&foreign, "test").await.unwrap_err();
    assert!(error.to_string().starts_with("bus.authority: "), "{error}");

    let stranger = Authority::new();
    let foreign = BusConfig {
        authority: Some(stranger.file()),
        ..config.clone()
    };
    let told = refusal(&foreign).await;
    assert!(told.contains("invalid peer certificate"), "{told}");

    let clear = Nats::start();
    let hoped = BusConfig {
        url: clear.config().url.replace("nats://", "tls://"),
        ..config
    };
    refusal(&hoped).await;
}

#[tokio::test]
async fn postgresql_is_the_right_one() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let postgres = Postgres::start_secure(&authority);
    let url = postgres.database();
    let open = async |url: String| Database::open::<Foundation>(&url.into()).await;
    open(url.clone()).await.unwrap();

    let file = |authority: &Authority| authority.file().display().to_string();
    let foreign = url.replace(&file(&authority), &file(&stranger));
    let told = chassis::error::chain(&open(foreign).await.unwrap_err());
    assert!(told.contains("invalid peer certificate"), "{told}");
    // By another name.
    let told = open(url.replace("127.0.0.1", "localhost"))
        .await
        .unwrap_err();
    let told = chassis::error::chain(&told);
    assert!(told.contains("not valid for name"), "{told}");
    // The server takes nobody in the clear.
    let (clear, _) = url.split_once('?').unwrap();
    open(format!("{clear}?sslmode=disable")).await.unwrap_err();
}
