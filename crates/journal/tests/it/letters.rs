//! Dead letters, for operators.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bus::{Bus, Consumer, Delivery, Handler};
use chassis::{Error, Result};
use contracts::common::v1::PageRequest;
use contracts::journal::v1::{
    DeadLetter, ListDeadLettersRequest, ListDeadLettersResponse, ResendDeadLetterRequest,
};
use contracts::notebook::v1::NotebookState;
use contracts::scheduler::v1::AttemptStarted;
use kernel::id::TeamId;
use testkit::{Engine, eventually};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::house::{Client, House, Story};

testkit::on_each_engine! {
    what_nobody_could_handle_is_shown_to_operators_and_sent_again,
    there_is_no_other_way_in,
}

/// Fails until it has been mended; then counts.
#[derive(Default)]
struct Billing {
    mended: AtomicU32,
    handled: AtomicU32,
}

#[async_trait::async_trait]
impl Handler for Billing {
    async fn handle(&self, delivery: &Delivery) -> Result<bool> {
        if delivery.decode::<AttemptStarted>()?.is_none() {
            return Ok(false);
        }
        if self.mended.load(Ordering::SeqCst) == 0 {
            return Err(Error::Precondition("the price is\u{7} missing".to_owned()));
        }
        self.handled.fetch_add(1, Ordering::SeqCst);
        Ok(true)
    }
}

async fn letters(client: &mut Client, after: &str, limit: u32) -> ListDeadLettersResponse {
    let page = Some(PageRequest {
        after: after.to_owned(),
        limit,
    });
    let asked = client.list_dead_letters(ListDeadLettersRequest { page });
    asked.await.unwrap().into_inner()
}

async fn parked(client: &Client, count: usize) -> Vec<DeadLetter> {
    eventually("the parked events", || {
        let mut client = client.clone();
        async move {
            let letters = letters(&mut client, "", 0).await.letters;
            (letters.len() == count).then_some(letters)
        }
    })
    .await
}

async fn what_nobody_could_handle_is_shown_to_operators_and_sent_again(engine: Engine) {
    let house = House::open(engine).await;
    let handler = Arc::new(Billing::default());
    let bus = Bus::connect(&house.nats.config_of("billing"), "billing")
        .await
        .unwrap();
    let cancel = CancellationToken::new();
    let consumer = Consumer::new(bus, "billing", "scheduler", handler.clone());
    tokio::spawn(consumer.run(cancel.clone()));
    let _stop = cancel.drop_guard();
    let stories = [0, 1, 2].map(|_| Story::new(TeamId::generate()));
    for story in &stories {
        house.run(story).await;
    }

    let mut operator = house.operator();
    let all = parked(&operator, 3).await;
    let objects: Vec<_> = all.iter().map(|letter| letter.object_id.as_str()).collect();
    assert!(
        stories
            .iter()
            .all(|story| objects.contains(&story.attempt.as_str()))
    );
    for letter in &all {
        assert_eq!(letter.consumer, "billing-scheduler");
        assert_eq!(letter.r#type, "quire.scheduler.v1.AttemptStarted");
        assert_eq!(letter.reason, "the price is  missing");
        assert!(letter.parked_at.is_some() && !letter.event_id.is_empty());
    }
    let first = letters(&mut operator, "", 2).await;
    assert_eq!(first.letters, all[..2]);
    let second = letters(&mut operator, &first.page.unwrap().next_page, 2).await;
    assert_eq!(
        (second.letters, second.page.unwrap().has_more),
        (all[2..].to_vec(), false)
    );

    handler.mended.store(1, Ordering::SeqCst);
    let request = ResendDeadLetterRequest { id: all[0].id };
    let sent = operator.resend_dead_letter(request).await.unwrap();
    assert_eq!(sent.into_inner().letter.as_ref(), Some(&all[0]));
    eventually("the effect", || async {
        (handler.handled.load(Ordering::SeqCst) == 1).then_some(())
    })
    .await;
    assert_eq!(letters(&mut operator, "", 0).await.letters, all[1..]);
    let again = operator.resend_dead_letter(request).await.unwrap_err();
    assert_eq!(again.code(), Code::NotFound);
    let asked = format!("dead letter \"{}\" not found", all[0].id);
    assert_eq!(again.message(), asked);
}

async fn there_is_no_other_way_in(engine: Engine) {
    let house = House::open(engine).await;
    let story = Story::new(TeamId::generate());
    house.notebook(&story, NotebookState::Running, 1).await;
    let mut viewer = house.viewer(story.team);
    let listed = viewer
        .list_dead_letters(ListDeadLettersRequest::default())
        .await;
    assert_eq!(listed.unwrap_err().code(), Code::PermissionDenied);
    let sent = viewer
        .resend_dead_letter(ResendDeadLetterRequest { id: 1 })
        .await;
    assert_eq!(sent.unwrap_err().code(), Code::PermissionDenied);
    let service = chassis::auth::Principal::Service("billing".to_owned());
    let mut service = house.client_of(0, &service);
    let listed = crate::house::list(&mut service, Default::default()).await;
    assert_eq!(listed.unwrap_err().code(), Code::PermissionDenied);
}
