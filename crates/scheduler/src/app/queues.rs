//! Which queues there are: told with how each stands, and changed by operators, with what a change would do told before.

mod wire;

use std::collections::BTreeMap;

use chassis::{Error, Result};
use contracts::scheduler::v1::{
    DeleteQueueResponse, ListQueuesResponse, Queue, QueueChange, SetQueueResponse,
};
use kernel::Resources;
use sea_orm::{ActiveModelTrait, DatabaseTransaction, EntityTrait, IntoActiveModel};

use super::submit::request_of;
use super::{App, view};
use crate::domain::queue::{Amount, Book, Demand, Grown, Owner, Standing, Written, compare, stand};
use crate::store::entity::queue;
use crate::store::queues as tables;

/// Most queues that are written down: a placement pass goes over all of them.
const MOST_QUEUES: usize = 1_000;

/// What all work has and wants, by whose it is.
type Demands = BTreeMap<Owner, Demand>;

/// The queues while one is changed. Nobody else changes any meanwhile.
struct Changing {
    transaction: DatabaseTransaction,
    /// The number of the change.
    number: i64,
    rows: Vec<queue::Model>,
    before: Book,
    total: Amount,
    demands: Demands,
}

impl App {
    /// The queues that are written down.
    pub(super) async fn book(&self) -> Result<Book> {
        let rows = queue::Entity::find().all(self.database.reader()).await?;
        Ok(book_of(&rows))
    }

    /// All queues and how each stands; those that are written down come first.
    pub(crate) async fn queues(&self) -> Result<ListQueuesResponse> {
        let book = self.book().await?;
        let total = Amount(tables::total(self.database.reader()).await?);
        let mut standings = standings(&book, &self.demands().await?, total)?;
        // What nobody wrote down comes in the order of names too.
        if let Some(implicit) = standings.get_mut(book.written().len()..) {
            implicit.sort_by(|one, other| one.name.cmp(&other.name));
        }
        let mut written = book.written().iter();
        let status = |standing| wire::status(standing, written.next());
        Ok(ListQueuesResponse {
            queues: standings.into_iter().map(status).collect(),
            total: Some(wire::amount(total)),
        })
    }

    /// Makes a queue, or makes the one of this name so; `dry_run` = only tells what it would do.
    pub(crate) async fn set_queue(&self, queue: Queue, dry_run: bool) -> Result<SetQueueResponse> {
        let written = wire::written(queue)?;
        let changing = self.change_queues().await?;
        let kept = changing.before.written().iter();
        let others = kept.filter(|other| other.name != written.name).cloned();
        let after = Book::new(others.chain([written.clone()]).collect());
        let (before, total) = (&changing.before, changing.total);
        if after.written().len() > MOST_QUEUES {
            return Err(Error::Exhausted(format!(
                "{MOST_QUEUES} queues are written down, and no more can be; delete one first"
            )));
        }
        // The error names the field itself.
        let refuse = |wrong: String| {
            let problem = wrong.strip_prefix("queue ").unwrap_or(&wrong).to_owned();
            Error::invalid("queue", problem)
        };
        after.check_after(before, total).map_err(refuse)?;
        let changes = changing.told(&after)?;
        if !dry_run && after != *before {
            self.store_queue(&changing, &written).await?;
            changing.transaction.commit().await?;
            self.queues_changed("set", &written.name, &changes);
        }
        Ok(SetQueueResponse {
            queue: Some(wire::queue(&written)),
            changes,
        })
    }

    /// Takes a queue away; `dry_run` = only tells what it would do.
    pub(crate) async fn delete_queue(
        &self,
        name: &str,
        dry_run: bool,
    ) -> Result<DeleteQueueResponse> {
        let changing = self.change_queues().await?;
        let written = changing.before.written();
        if written.iter().all(|queue| queue.name != name) {
            return Err(Error::not_found("queue", name));
        }
        let below = written
            .iter()
            .filter(|queue| queue.parent.as_deref() == Some(name));
        let below: Vec<&str> = below.map(|queue| queue.name.as_str()).collect();
        if !below.is_empty() {
            return Err(Error::Precondition(format!(
                "queue {name:?} has queues below it: {}; give them another parent or delete them first",
                below.join(", ")
            )));
        }
        let kept = written.iter().filter(|queue| queue.name != name).cloned();
        let changes = changing.told(&Book::new(kept.collect()))?;
        if !dry_run {
            queue::Entity::delete_by_id(name)
                .exec(&changing.transaction)
                .await?;
            changing.transaction.commit().await?;
            self.queues_changed("delete", name, &changes);
        }
        Ok(DeleteQueueResponse { changes })
    }

    /// Begins a change. What is not committed, as in a dry run, is undone.
    async fn change_queues(&self) -> Result<Changing> {
        // Only told, never decided by: read before anything is locked.
        let demands = self.demands().await?;
        let transaction = self.database.begin().await?;
        let number = tables::next_change(&transaction).await?;
        let rows = queue::Entity::find().all(&transaction).await?;
        Ok(Changing {
            number,
            before: book_of(&rows),
            rows,
            total: Amount(tables::total(&transaction).await?),
            demands,
            transaction,
        })
    }

    async fn store_queue(&self, changing: &Changing, written: &Written) -> Result<()> {
        let found = changing.rows.iter().find(|row| row.name == written.name);
        let created_at = found.map_or_else(
            || self.clock.now().timestamp_micros(),
            |found| found.created_at,
        );
        let row = wire::row(written, created_at, changing.number).into_active_model();
        let row = row.reset_all();
        if found.is_some() {
            row.update(&changing.transaction).await?;
        } else {
            row.insert(&changing.transaction).await?;
        }
        Ok(())
    }

    fn queues_changed(&self, what: &'static str, name: &str, changes: &[QueueChange]) {
        tracing::info!(
            change = what,
            queue = name,
            felt_by = changes.len(),
            "the queues have changed"
        );
        self.metrics.queues_changed(what);
        self.placeable.notify_one();
    }

    async fn demands(&self) -> Result<Demands> {
        let mut demands = Demands::new();
        let add = |work: tables::Work| {
            let demand = match work.part {
                tables::Part::Held(held) => Demand {
                    held: Amount(held),
                    ..Demand::default()
                },
                tables::Part::Wanted(spec) => Demand {
                    wanted: amount_of(&request_of(&view::decode_spec(&spec)?, "").resources),
                    waiting: 1,
                    ..Demand::default()
                },
            };
            let owner = Owner {
                team_id: work.team_id,
                project_id: work.project_id,
                free: work.free,
            };
            let all = demands.entry(owner).or_default();
            *all = all.plus(demand);
            Ok::<_, Error>(())
        };
        tables::each_work(self.database.reader(), add).await?;
        Ok(demands)
    }
}

impl Changing {
    /// Who gains and loses when the book becomes this one.
    fn told(&self, after: &Book) -> Result<Vec<QueueChange>> {
        let stand = |book| standings(book, &self.demands, self.total);
        let changes = compare(stand(&self.before)?, stand(after)?);
        Ok(changes.into_iter().map(wire::change).collect())
    }
}

fn standings(book: &Book, demands: &Demands, total: Amount) -> Result<Vec<Standing>> {
    let grown: Grown = book
        .grow(&demands.keys().cloned().collect(), total)
        .map_err(|wrong| Error::internal("growing the tree of queues", wrong))?;
    Ok(stand(&grown, demands))
}

fn amount_of(resources: &Resources) -> Amount {
    Amount([
        i64::from(resources.gpus) * 1_000,
        resources.milli_cores.into(),
        resources.memory_mib.into(),
    ])
}

fn book_of(rows: &[queue::Model]) -> Book {
    Book::new(rows.iter().map(wire::written_in).collect())
}
