//! Signing in and out: sessions, how long they live, and where they are listed.

use super::state::Session;
use super::{Decided, Letter, PasswordHash, People, PeopleFact, Realm, TokenDigest};
use crate::domain::ids::{PersonId, SessionId};
use crate::domain::time::UnixMillis;

/// A session that was not used for so many milliseconds is over: 12 hours, less at most an hour, since use is noted hourly.
pub const IDLE_LIFE: i64 = 12 * HOUR;
/// However much it is used, a session is over after so many milliseconds: 14 days.
pub const ABSOLUTE_LIFE: i64 = 14 * 24 * HOUR;
/// An operator's session that was not used for so many milliseconds is over: one hour, less at most five minutes.
pub const OPERATOR_IDLE_LIFE: i64 = HOUR;
/// However much it is used, an operator's session is over after so many milliseconds: 12 hours.
pub const OPERATOR_ABSOLUTE_LIFE: i64 = 12 * HOUR;
/// Sessions of one person; one more ends the oldest.
pub const SESSIONS_MAX: usize = 50;
const HOUR: i64 = 3_600_000;

/// A session to be opened.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its id.
    pub session: SessionId,
    /// The digest of its token.
    pub digest: TokenDigest,
    /// The network that it comes from, shortened.
    pub address: String,
    /// Browser and system, in a few words.
    pub client: String,
    /// The session that the browser had before; it ends.
    pub previous: Option<SessionId>,
}

/// A session that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// Its id.
    pub id: SessionId,
    /// Whose.
    pub person: PersonId,
    /// When the person signed in with their password.
    pub opened_at: UnixMillis,
    /// When they last gave it, in this session.
    pub fresh_at: UnixMillis,
    /// When it was last used, to the hour.
    pub seen_at: UnixMillis,
    /// The network that it came from, shortened.
    pub address: String,
    /// Browser and system.
    pub client: String,
}

impl Session {
    fn holds(&self, now: UnixMillis) -> bool {
        let (idle, absolute) = match self.realm {
            Realm::Customers => (IDLE_LIFE, ABSOLUTE_LIFE),
            Realm::Operators => (OPERATOR_IDLE_LIFE, OPERATOR_ABSOLUTE_LIFE),
        };
        now < self.seen_at.plus_millis(idle) && now < self.opened_at.plus_millis(absolute)
    }

    /// How often its use is noted.
    const fn noted_every(&self) -> i64 {
        match self.realm {
            Realm::Customers => HOUR,
            Realm::Operators => HOUR / 12,
        }
    }

    fn view(&self, id: SessionId) -> SessionView {
        let Self { person, opened_at, fresh_at, seen_at, digest: _, address, client, realm: _ } = self;
        let (address, client) = (address.clone(), client.clone());
        SessionView {
            id,
            person: *person,
            opened_at: *opened_at,
            fresh_at: *fresh_at,
            seen_at: *seen_at,
            address,
            client,
        }
    }
}

impl People {
    /// The customer's session with this token, if it holds.
    pub fn session(&self, digest: &TokenDigest, now: UnixMillis) -> Option<SessionView> {
        self.session_of(Realm::Customers, digest, now)
    }

    /// The operator's session with this token, if it holds.
    pub fn operator_session(&self, digest: &TokenDigest, now: UnixMillis) -> Option<SessionView> {
        self.session_of(Realm::Operators, digest, now).filter(|session| self.is_operator(session.person))
    }

    fn session_of(&self, realm: Realm, digest: &TokenDigest, now: UnixMillis) -> Option<SessionView> {
        let id = *self.by_digest.get(digest)?;
        let held = self.sessions.get(&id).filter(|session| session.realm == realm && session.holds(now));
        held.map(|session| session.view(id))
    }

    /// A person's sessions that hold, the newest first.
    pub fn sessions(&self, person: PersonId, now: UnixMillis) -> Vec<SessionView> {
        let ids = self.persons.get(&person).into_iter().flat_map(|person| person.sessions.iter().rev());
        let held = ids.filter_map(|id| Some((id, self.sessions.get(id).filter(|session| session.holds(now))?)));
        held.map(|(id, session)| session.view(*id)).collect()
    }

    /// Opens a session for a person whose password was compared with `compared`. `None` if that is not their password's hash
    /// any more: it was changed in between.
    pub fn open_session(
        &self,
        person: PersonId,
        compared: &PasswordHash,
        new: NewSession,
        at: UnixMillis,
    ) -> Option<Decided> {
        self.open_in(Realm::Customers, person, compared, new, at)
    }

    /// As [`People::open_session`], for the operators' pages: `None` also for whoever is no operator.
    pub fn open_operator_session(
        &self,
        person: PersonId,
        compared: &PasswordHash,
        new: NewSession,
        at: UnixMillis,
    ) -> Option<Decided> {
        let may = self.is_operator(person);
        may.then(|| self.open_in(Realm::Operators, person, compared, new, at)).flatten()
    }

    fn open_in(
        &self,
        realm: Realm,
        person: PersonId,
        compared: &PasswordHash,
        new: NewSession,
        at: UnixMillis,
    ) -> Option<Decided> {
        let known = self.person(person).filter(|known| known.password == *compared)?;
        let NewSession { session, digest, address, client, previous } = new;
        let previous = previous.filter(|id| self.sessions.contains_key(id));
        let mut decided = Decided::facts(previous.map(|session| PeopleFact::SessionEnded { session, at }));
        let place = (address, client);
        if !known.places.is_empty() && !known.places.contains(&place) {
            let (address, client) = place.clone();
            decided = decided.with(Letter::NewSignIn { to: known.email.clone(), at, address, client });
        }
        let (address, client) = place;
        decided.push(PeopleFact::SessionOpened { session, person, at, digest, address, client, realm });
        Some(decided)
    }

    /// Whether a use at `at` is to be noted with [`People::touch`].
    pub fn is_touch_due(&self, session: SessionId, at: UnixMillis) -> bool {
        self.sessions
            .get(&session)
            .is_some_and(|known| known.holds(at) && at >= known.seen_at.plus_millis(known.noted_every()))
    }

    /// Notes that a session is used, once an hour, or of an operator's every five minutes.
    pub fn touch(&self, session: SessionId, at: UnixMillis) -> Decided {
        Decided::facts(self.is_touch_due(session, at).then_some(PeopleFact::SessionSeen { session, at }))
    }

    /// Ends one of a person's sessions; nothing where it is not theirs.
    pub fn end_session(&self, person: PersonId, session: SessionId, at: UnixMillis) -> Decided {
        let theirs = self.sessions.get(&session).is_some_and(|known| known.person == person);
        Decided::facts(theirs.then_some(PeopleFact::SessionEnded { session, at }))
    }

    /// Ends a person's sessions, but for one.
    pub fn end_sessions(&self, person: PersonId, but: Option<SessionId>, at: UnixMillis) -> Decided {
        let ids = self.persons.get(&person).into_iter().flat_map(|person| person.sessions.iter().copied());
        let ending = ids.filter(|id| Some(*id) != but);
        Decided::facts(ending.map(|session| PeopleFact::SessionEnded { session, at }))
    }
}
