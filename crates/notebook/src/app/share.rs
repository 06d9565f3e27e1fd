//! Notebooks opened to others than the members of their project: to a person, of any team, or to whoever has a link.

use std::collections::HashMap;

use chassis::auth::User;
use chassis::pick::pick;
use chassis::seal::{random_secret, sha256_hex};
use chassis::{Error, Result};
use contracts::identity::v1::FindUserRequest;
use contracts::notebook::v1::{
    NotebookShare, NotebookShared, ShareAccess, ShareNotebookRequest, ShareNotebookResponse,
    SharedNotebook,
};
use contracts::{from_wire_time, to_wire_time};
use kernel::id::ShareId;
use kernel::time::from_micros;
use kernel::{Timestamp, text};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};
use secrecy::ExposeSecret as _;

use super::{App, view};
use crate::domain::origin;
use crate::domain::state::Wanted;
use crate::store::entity;
use crate::store::share::{Column, Entity, Model};

/// Most shares of one notebook: all of them travel in its route.
const MOST: usize = 50;
/// Most notebooks that are listed to one person.
const LISTED: u64 = 1_000;
/// Longest address or identifier of a request, in characters.
const LONGEST: usize = 200;

/// What a call wishes, checked.
struct Wish {
    access: ShareAccess,
    /// Identifier and address.
    person: Option<(String, String)>,
    expires_at: Option<i64>,
    request_id: String,
}

impl App {
    /// Shares a notebook: makes a link, or opens it to a person or changes what they may do.
    pub(crate) async fn share(
        &self,
        user: &User,
        asked: ShareNotebookRequest,
    ) -> Result<ShareNotebookResponse> {
        let notebook = self.find_to_change(user, &asked.notebook).await?;
        let wish = self.checked(asked).await?;
        let (transaction, notebook) = self.begin_sharing(&notebook.id).await?;
        let now = self.clock.now();
        // One with the same person would be in the way.
        Entity::delete_many()
            .filter(Column::NotebookId.eq(&notebook.id))
            .filter(Column::ExpiresAt.lte(now.timestamp_micros()))
            .exec(&transaction)
            .await?;
        let shares = in_force(&transaction, &notebook.id, now).await?;
        if let Some(before) = asked_before(&shares, &wish)? {
            return Ok(ShareNotebookResponse {
                share: Some(wire(before)),
                link: String::new(),
            });
        }
        let with = |share: &&Model| {
            wish.person
                .as_ref()
                .is_some_and(|(id, _)| *id == share.user_id)
        };
        let held = shares.iter().find(with);
        if held.is_none() && shares.len() >= MOST {
            return Err(Error::Exhausted(format!(
                "notebook {:?} is shared {MOST} times, which is the most; revoke one first",
                notebook.name
            )));
        }
        let (row, link) = match held {
            Some(held) => {
                let mut row = held.clone();
                (row.access, row.expires_at) = (wish.access.into(), wish.expires_at);
                let row = row.into_active_model().reset_all();
                (row.update(&transaction).await?, String::new())
            }
            None => {
                let (row, link) = self.new_share(&notebook.id, user, wish)?;
                (row.into_active_model().insert(&transaction).await?, link)
            }
        };
        self.end_sharing(transaction, notebook, user, &row, false)
            .await?;
        Ok(ShareNotebookResponse {
            share: Some(wire(&row)),
            link,
        })
    }

    /// A share that is not there yet, and the link where it is one.
    fn new_share(&self, notebook_id: &str, user: &User, wish: Wish) -> Result<(Model, String)> {
        let token = random_secret()?;
        let id = ShareId::generate().to_string();
        let url = origin::url(&self.edge, notebook_id);
        let (sealed, link) = match &wish.person {
            Some(_) => (self.sealer.seal(&id, &token)?, String::new()),
            None => {
                let link = format!("{url}?token={}", token.expose_secret());
                (String::new(), link)
            }
        };
        let (user_id, email) = wish.person.unwrap_or_default();
        let row = Model {
            id,
            notebook_id: notebook_id.to_owned(),
            access: wish.access.into(),
            user_id,
            email,
            token_sealed: sealed,
            token_sha256: sha256_hex(token.expose_secret()),
            created_by: user.id.into(),
            created_at: self.clock.now().timestamp_micros(),
            expires_at: wish.expires_at,
            request_id: wish.request_id,
        };
        Ok((row, link))
    }

    async fn checked(&self, asked: ShareNotebookRequest) -> Result<Wish> {
        let access = asked.access();
        if access == ShareAccess::Unspecified {
            return Err(Error::invalid("access", "is missing; say view or use"));
        }
        if !asked.request_id.is_empty() {
            text::name("request_id", &asked.request_id, LONGEST)?;
        }
        let expires_at = asked
            .expires_at
            .map(|time| from_wire_time("expires_at", time))
            .transpose()?;
        if expires_at.is_some_and(|at| at <= self.clock.now()) {
            return Err(Error::invalid(
                "expires_at",
                "lies in the past; give a later time or none",
            ));
        }
        let person = if asked.email.is_empty() {
            None
        } else {
            let request = FindUserRequest { email: asked.email };
            let found = self.identity.clone().find_user(request).await?.into_inner();
            Some((found.user_id, found.email))
        };
        Ok(Wish {
            access,
            person,
            expires_at: expires_at.map(|at| at.timestamp_micros()),
            request_id: asked.request_id,
        })
    }

    /// Shares of a notebook that are in force, the oldest first.
    pub(crate) async fn list_shares(
        &self,
        user: &User,
        wanted: &str,
    ) -> Result<Vec<NotebookShare>> {
        let notebook = self.find_to_change(user, wanted).await?;
        let shares = in_force(self.database.reader(), &notebook.id, self.clock.now()).await?;
        Ok(shares.iter().map(wire).collect())
    }

    /// Takes a share back; what it has opened is closed.
    pub(crate) async fn revoke_share(
        &self,
        user: &User,
        wanted: &str,
        share: &str,
    ) -> Result<NotebookShare> {
        let notebook = self.find_to_change(user, wanted).await?;
        let (transaction, notebook) = self.begin_sharing(&notebook.id).await?;
        let shares = in_force(&transaction, &notebook.id, self.clock.now()).await?;
        let row = pick("share", share, shares, |share| {
            vec![share.id.clone(), share.email.clone()]
        })?;
        Entity::delete_by_id(&row.id).exec(&transaction).await?;
        self.end_sharing(transaction, notebook, user, &row, true)
            .await?;
        Ok(wire(&row))
    }

    /// Notebooks that somebody shares with the caller.
    pub(crate) async fn shared_with(&self, user: &User) -> Result<Vec<SharedNotebook>> {
        let now = self.clock.now();
        let shares = Entity::find()
            .filter(Column::UserId.eq(user.id.to_string()))
            .filter(not_over(now))
            .order_by_asc(Column::Id)
            .limit(LISTED)
            .all(self.database.reader())
            .await?;
        let ids = shares.iter().map(|share| share.notebook_id.clone());
        let notebooks = entity::Entity::find()
            .filter(entity::Column::Id.is_in(ids))
            .filter(entity::Column::DeletedAt.is_null())
            .all(self.database.reader())
            .await?;
        let mut notebooks: HashMap<_, _> = notebooks
            .into_iter()
            .map(|row| (row.id.clone(), row))
            .collect();
        let mut found = Vec::new();
        for share in shares {
            // One a person and notebook.
            let Some(notebook) = notebooks.remove(&share.notebook_id) else {
                continue;
            };
            let token = self.sealer.open(&share.id, &share.token_sealed)?;
            found.push(SharedNotebook {
                share: Some(wire(&share)),
                url: origin::url(&self.edge, &notebook.id),
                name: notebook.name,
                state: notebook.state,
                token: token.expose_secret().to_owned(),
            });
        }
        Ok(found)
    }

    /// Forgets shares that are over: of notebooks that are gone, and those whose time has passed.
    pub(crate) async fn forget_shares(&self) -> Result<()> {
        let gone = entity::Entity::find()
            .select_only()
            .column(entity::Column::Id)
            .filter(entity::Column::DeletedAt.is_not_null());
        let now = self.clock.now().timestamp_micros();
        let over = Condition::any()
            .add(Column::NotebookId.in_subquery(gone.into_query()))
            .add(Column::ExpiresAt.lte(now));
        Entity::delete_many()
            .filter(over)
            .exec(self.database.reader())
            .await?;
        Ok(())
    }

    /// Locks a notebook whose shares are to change: one change after the other.
    async fn begin_sharing(&self, id: &str) -> Result<(DatabaseTransaction, entity::Model)> {
        let transaction = self.database.begin().await?;
        let row = entity::Entity::find_by_id(id)
            .lock_exclusive()
            .one(&transaction)
            .await?;
        let row = row
            .filter(|row| view::wanted(row) != Wanted::Deleted)
            .ok_or_else(|| Error::not_found("notebook", id))?;
        Ok((transaction, row))
    }

    /// Says what has changed; edges hear of it before the answer, or as soon as the bus is back.
    async fn end_sharing(
        &self,
        transaction: DatabaseTransaction,
        notebook: entity::Model,
        user: &User,
        share: &Model,
        revoked: bool,
    ) -> Result<()> {
        let row = self.store(&transaction, notebook).await?;
        let event = NotebookShared {
            notebook: Some(self.without_token(&row)),
            share: Some(wire(share)),
            revoked,
            user_id: user.id.into(),
        };
        self.outbox
            .append(&transaction, &event, &row.id, Some(&row.team_id))
            .await?;
        transaction.commit().await?;
        self.outbox.nudge();
        if let Err(error) = self.write_route(&row.id).await {
            let error = chassis::error::chain(&error);
            tracing::warn!(
                notebook = row.id,
                error,
                "telling edges of a share; trying again"
            );
        }
        self.metrics
            .changed(if revoked { "unshared" } else { "shared" });
        Ok(())
    }
}

/// Not over at `now`.
fn not_over(now: Timestamp) -> Condition {
    Condition::any()
        .add(Column::ExpiresAt.is_null())
        .add(Column::ExpiresAt.gt(now.timestamp_micros()))
}

/// Shares of a notebook that open it, the oldest first.
pub(super) async fn in_force(
    connection: &impl ConnectionTrait,
    notebook_id: &str,
    now: Timestamp,
) -> Result<Vec<Model>> {
    Ok(Entity::find()
        .filter(Column::NotebookId.eq(notebook_id))
        .filter(not_over(now))
        .order_by_asc(Column::Id)
        .all(connection)
        .await?)
}

/// The share that the same request made.
fn asked_before<'a>(shares: &'a [Model], wish: &Wish) -> Result<Option<&'a Model>> {
    if wish.request_id.is_empty() {
        return Ok(None);
    }
    let Some(before) = shares
        .iter()
        .find(|share| share.request_id == wish.request_id)
    else {
        return Ok(None);
    };
    let person = wish.person.as_ref().map_or("", |(id, _)| id);
    let wished = (i32::from(wish.access), person, wish.expires_at);
    if wished != (before.access, before.user_id.as_str(), before.expires_at) {
        return Err(Error::Conflict(format!(
            "request_id {:?} was used before for another share",
            wish.request_id
        )));
    }
    Ok(Some(before))
}

fn wire(row: &Model) -> NotebookShare {
    let time = |micros: i64| Some(to_wire_time(from_micros(micros)));
    NotebookShare {
        id: row.id.clone(),
        notebook_id: row.notebook_id.clone(),
        access: row.access,
        user_id: row.user_id.clone(),
        email: row.email.clone(),
        created_by: row.created_by.clone(),
        created_at: time(row.created_at),
        expires_at: row.expires_at.and_then(time),
    }
}
