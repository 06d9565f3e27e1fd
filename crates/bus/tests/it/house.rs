//! A service that has nothing but the bus: its database, its outbox, and a handler that does what a test wants.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use bus::{Bus, Consumer, Delivery, Handler, Outbox};
use chassis::{Database, Error, Result};
use contracts::inventory::v1::{Node, NodeChanged};
use contracts::volume::v1::VolumeChanged;
use kernel::Clock as _;
use kernel::time::SystemClock;
use sea_orm::{ConnectionTrait, Statement};
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use testkit::{Engine, Nats};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            chassis::database::foundation(),
            bus::foundation(),
            bus::refusals(),
        ]
    }
}

/// A service's database, with its file.
pub(crate) struct Store {
    pub(crate) database: Database,
    pub(crate) outbox: Outbox,
    _kept: testkit::Database,
}

impl Store {
    pub(crate) async fn open(engine: Engine) -> Self {
        let kept = engine.database();
        let database = Database::open::<Migrator>(&kept.url()).await.unwrap();
        Self {
            database,
            outbox: Outbox::new(Arc::new(SystemClock)),
            _kept: kept,
        }
    }

    /// Does something to the table that no program does.
    pub(crate) async fn tamper(&self, statement: &str) {
        let transaction = self.database.begin().await.unwrap();
        transaction.execute_unprepared(statement).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// Commits one event about `node`, and wakes the relay when it should know.
    pub(crate) async fn commit(&self, node: &str, revision: u64) {
        let transaction = self.database.begin().await.unwrap();
        self.outbox
            .append(&transaction, &changed(node, revision), node, None)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        self.outbox.nudge();
    }

    /// Number of rows for which `condition` holds.
    pub(crate) async fn count(&self, condition: &str) -> i64 {
        let reader = self.database.reader();
        let statement = Statement::from_string(
            reader.get_database_backend(),
            format!("SELECT COUNT(*) AS count FROM outbox WHERE {condition}"),
        );
        let row = reader.query_one_raw(statement).await.unwrap().unwrap();
        row.try_get("", "count").unwrap()
    }

    /// Starts a relay on this database.
    pub(crate) async fn relay(&self, nats: &Nats) -> Running {
        let bus = connect(nats, "inventory").await;
        let (database, outbox) = (self.database.clone(), self.outbox.clone());
        Running::start(|cancel| bus::run_relay(database, bus, outbox, cancel))
    }
}

/// A task that is asked to end with this value.
pub(crate) struct Running {
    task: JoinHandle<Result<()>>,
    stop: DropGuard,
}

impl Running {
    pub(crate) fn start<R>(run: impl FnOnce(CancellationToken) -> R) -> Self
    where
        R: Future<Output = Result<()>> + Send + 'static,
    {
        let cancel = CancellationToken::new();
        Self {
            task: tokio::spawn(run(cancel.clone())),
            stop: cancel.drop_guard(),
        }
    }

    pub(crate) async fn stop(self) {
        drop(self.stop);
        self.task.await.unwrap().unwrap();
    }
}

pub(crate) async fn connect(nats: &Nats, name: &str) -> Bus {
    Bus::connect(&nats.config_of(name), name).await.unwrap()
}

pub(crate) fn changed(node: &str, revision: u64) -> NodeChanged {
    NodeChanged {
        node: Some(Node {
            id: node.to_owned(),
            revision,
            ..Node::default()
        }),
        ..NodeChanged::default()
    }
}

/// What was published of nodes, as `id/revision`, in the order of the stream.
pub(crate) async fn published(nats: &Nats) -> Vec<String> {
    let events: Vec<NodeChanged> = nats.events().await;
    let nodes = events.into_iter().map(|event| event.node.unwrap());
    nodes
        .map(|node| format!("{}/{}", node.id, node.revision))
        .collect()
}

/// Handles changes of nodes in a transaction of its own; fails while it is told to.
pub(crate) struct Recorder {
    store: Store,
    pub(crate) fails: AtomicBool,
    tried: Mutex<Vec<String>>,
    handled: Mutex<Vec<String>>,
}

impl Recorder {
    pub(crate) async fn new(engine: Engine) -> Arc<Self> {
        Arc::new(Self {
            store: Store::open(engine).await,
            fails: AtomicBool::new(false),
            tried: Mutex::default(),
            handled: Mutex::default(),
        })
    }

    /// Takes from the database what the handler needs, or gives it back.
    pub(crate) async fn break_database(&self, broken: bool) {
        let (from, to) = if broken {
            ("inbox", "away")
        } else {
            ("away", "inbox")
        };
        let statement = format!("ALTER TABLE {from} RENAME TO {to}");
        self.store.tamper(&statement).await;
    }

    /// Starts the consumer that hands inventory's events to this handler.
    pub(crate) async fn listen(self: &Arc<Self>, nats: &Nats) -> Running {
        let bus = connect(nats, "scheduler").await;
        let consumer = Consumer::new(bus, "scheduler", "inventory", self.clone());
        Running::start(|cancel| consumer.run(cancel))
    }

    /// What had an effect, as `id/revision`.
    pub(crate) fn handled(&self) -> Vec<String> {
        self.handled.lock().unwrap().clone()
    }

    /// Identifiers of the events that were tried, each as often as it was.
    pub(crate) fn tried(&self) -> Vec<String> {
        self.tried.lock().unwrap().clone()
    }
}

#[async_trait::async_trait]
impl Handler for Recorder {
    async fn handle(&self, delivery: &Delivery) -> Result<bool> {
        self.tried.lock().unwrap().push(delivery.id.clone());
        // Another area's type: this handler would know it, and must never be given it.
        if delivery.decode::<VolumeChanged>()?.is_some() {
            self.handled.lock().unwrap().push("a volume".to_owned());
        }
        let Some(event) = delivery.decode::<NodeChanged>()? else {
            return Ok(false);
        };
        let transaction = self.store.database.begin().await?;
        let now = SystemClock.now();
        let first = bus::first_time(&transaction, "scheduler", delivery, now).await?;
        if self.fails.load(Ordering::SeqCst) {
            return Err(Error::Precondition(
                "not while the test says so\nreally".to_owned(),
            ));
        }
        transaction.commit().await?;
        if first {
            let node = event.node.unwrap_or_default();
            let text = format!("{}/{}", node.id, node.revision);
            self.handled.lock().unwrap().push(text);
        }
        Ok(true)
    }
}
