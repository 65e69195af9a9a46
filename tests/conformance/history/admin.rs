//! What administrators do in random lives, and the keys by which programs administer.

use chrysalis::keys::{ApiSecret, SealKind};
use chrysalis::log::cqrs::{Ask, Concurrency, ExecuteError, Step};
use chrysalis::log::{Claim, SealedRecord};
use chrysalis_domain::api_key::{ApiKeyCommand, ApiKeyCreated};
use chrysalis_domain::id::{AccountId, ApiKeyId, SessionId};
use chrysalis_domain::role::Roles;
use chrysalis_domain::user::command::{Administration, ChosenPassword, NewSession};
use chrysalis_domain::user::{Impersonation, Impersonator, Standing, User, UserCommand};
use chrysalis_domain::value::Change;
use chrysalis_domain::{Permission, Permissions, Span};

use super::History;
use crate::conformance::world::Person;

impl History {
    /// Roles, bans, what the app says of a user, and acting as one.
    pub(super) fn by_an_administrator(
        &self,
        person: &Person,
        state: &User,
    ) -> (UserCommand, Vec<SealedRecord>, Vec<Claim>) {
        use UserCommand as C;
        let (world, chance) = (&self.world, &self.world.chance);
        let plain = |command| (command, Vec::new(), Vec::new());
        let member = state.standing == Standing::Member;
        if state.ban.is_some() && chance.toss() {
            return plain(C::Unban);
        }
        match chance.below(10) {
            0 => {
                let reason = world.seal(person, SealKind::BanReason, "spam");
                let until = chance.toss().then(|| world.now() + Span::from_secs(5));
                (C::Ban { reason: reason.id, until }, vec![reason], Vec::new())
            }
            1 => {
                let by = Impersonator::Admin(chance.pick(&self.people).0);
                let impersonation = Some(Impersonation { by, session: Some(world.fresh(SessionId::from_ulid)) });
                plain(C::Impersonate { session: NewSession { impersonation, ..world.session(world.token().1) } })
            }
            2 => plain(C::RecordExport),
            _ => {
                let said = world.seal(person, SealKind::AppMetadata, "{}");
                let hash = world.seal(person, SealKind::PasswordHash, "$argon2id$…");
                let password = ChosenPassword { account: world.fresh(AccountId::from_ulid), hash: hash.id };
                let administration = Administration {
                    name: Change::Kept,
                    image: Change::Cleared,
                    metadata: Change::Kept,
                    app_metadata: chance.toss().then_some(said.id),
                    roles: (member && chance.toss())
                        .then(|| Roles::parse(chance.pick::<&str>(&["admin", "user,editor"])).unwrap()),
                    verified: (state.email.is_some() && chance.toss()).then(|| chance.toss()),
                    password: (member && chance.below(3) == 0).then_some(password),
                    notice: world.notice(),
                };
                (C::Administer { administration: Box::new(administration) }, vec![said, hash], Vec::new())
            }
        }
    }

    pub(super) async fn do_something_with_a_key(&mut self) -> Result<(), ExecuteError> {
        let (world, chance) = (&self.world, &self.world.chance);
        if self.keys.len() < 2 || chance.below(6) == 0 {
            let key = world.fresh(ApiKeyId::from_ulid);
            self.make_a_key(key).await?;
            self.keys.push(key);
            return Ok(());
        }
        let key = *chance.pick(&self.keys);
        let by = if chance.toss() { Permissions::all() } else { Permissions::default() };
        let command = match chance.below(6) {
            0 | 1 => ApiKeyCommand::Rotate {
                by,
                secret: ApiSecret::create(chance, false).public(),
                overlap: Span::from_secs(5),
                expires_at: chance.toss().then(|| world.now() + Span::from_days(1)),
            },
            2 => ApiKeyCommand::Switch { by, enabled: chance.toss() },
            3 => ApiKeyCommand::Revoke,
            _ => ApiKeyCommand::RecordUse { granularity: Span::from_secs(1) },
        };
        let concurrency = match command {
            ApiKeyCommand::RecordUse { .. } => Concurrency::Any,
            _ => Concurrency::Exact,
        };
        world.execute(Ask::new(world.context(), world.now()).then(Step::ApiKey(key, concurrency, command))).await?;
        Ok(())
    }

    async fn make_a_key(&self, key: ApiKeyId) -> Result<(), ExecuteError> {
        let (world, chance, person) = (&self.world, &self.world.chance, self.world.person());
        let (name, said) =
            (world.seal(&person, SealKind::Name, "clean-up"), world.seal(&person, SealKind::Metadata, "{}"));
        let created = ApiKeyCreated {
            key,
            person: person.id,
            name: name.id,
            metadata: chance.toss().then_some(said.id),
            secret: ApiSecret::create(chance, chance.toss()).public(),
            permissions: [*chance.pick(Permission::ALL), *chance.pick(Permission::ALL)].into_iter().collect(),
            maker: chance.toss().then(|| chance.pick(&self.people).0),
            organization: None,
            expires_at: chance.toss().then(|| world.now() + Span::from_secs(60)),
            at: world.now(),
        };
        let command = ApiKeyCommand::Create { by: Permissions::all(), created: Box::new(created) };
        let mut ask = Ask::new(world.context(), world.now()).then(Step::ApiKey(key, Concurrency::New, command));
        (ask.sealed, ask.person_keys) = (vec![name, said], vec![person.key]);
        world.execute(ask).await?;
        Ok(())
    }
}
