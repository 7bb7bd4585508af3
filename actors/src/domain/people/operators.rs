//! Operators: who runs the gateway. How the first one comes to be, sessions of their own, and passwords given anew.
//!
//! An operator is a person with one more right; it is no role in a workspace. Their sessions are of a realm of their own: what
//! a customer's cookie holds opens no operator's page, nor the other way round. No password exists before somebody chose it.

use serde::{Deserialize, Serialize};

use super::{Decided, Email, Letter, LinkPurpose, LinkRefusal, PasswordHash, People, PeopleFact, Person};
use crate::domain::ids::{LinkId, PersonId, SessionId};
use crate::domain::time::UnixMillis;

/// A link that makes an operator works for 30 minutes, in milliseconds.
pub const OPERATOR_LINK_LIVES: i64 = 30 * 60_000;
/// How long a password that was given counts as fresh: ten minutes, in milliseconds.
pub const PASSWORD_FRESH_FOR: i64 = 10 * 60_000;

/// Where a session holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Realm {
    /// The dashboard.
    #[default]
    Customers,
    /// The operators' pages.
    Operators,
}

/// How somebody becomes an operator.
#[derive(Clone, Debug)]
pub struct NewOperator {
    /// Their address.
    pub email: Email,
    /// The hash of the password that they chose.
    pub password: PasswordHash,
    /// The id they get where the address has no account.
    pub person: PersonId,
}

impl People {
    /// Whether the person is an operator.
    pub fn is_operator(&self, person: PersonId) -> bool {
        self.operators.contains(&person)
    }

    /// Whether there is any.
    pub fn has_operator(&self) -> bool {
        !self.operators.is_empty()
    }

    /// All of them, by id.
    pub fn operators(&self) -> impl Iterator<Item = &Person> {
        self.operators.iter().filter_map(|id| self.person(*id))
    }

    /// A link with which the first operator is set up; earlier ones are taken back. `None` where there is one.
    pub fn begin_set_up(&self, link: LinkId, at: UnixMillis) -> Option<Decided> {
        (!self.has_operator()).then(|| self.issue_operator_link(None, link, at))
    }

    /// A link with which whoever has this address becomes an operator, or sets another password as one.
    pub fn invite_operator(&self, email: Email, link: LinkId, at: UnixMillis) -> Decided {
        self.issue_operator_link(Some(email), link, at)
    }

    fn issue_operator_link(&self, email: Option<Email>, link: LinkId, at: UnixMillis) -> Decided {
        let same = |id: &&LinkId| {
            let known = self.links.get(id).map(|link| &link.does);
            matches!(known, Some(LinkPurpose::Operator { email: known }) if *known == email)
        };
        let earlier = self.operator_links.iter().filter(same);
        let mut decided = Decided::facts(earlier.map(|earlier| PeopleFact::LinkUsed { link: *earlier, at }));
        let expires_at = at.plus_millis(OPERATOR_LINK_LIVES);
        decided.push(PeopleFact::LinkIssued { link, at, expires_at, does: LinkPurpose::Operator { email } });
        decided
    }

    /// For which address the link makes an operator; `None` is any, for the first one.
    ///
    /// # Errors
    /// [`LinkRefusal`].
    pub fn makes_operator(&self, link: LinkId, now: UnixMillis) -> Result<Option<&Email>, LinkRefusal> {
        match self.link(link, now)? {
            LinkPurpose::Operator { email: Some(email) } => Ok(Some(email)),
            LinkPurpose::Operator { email: None } if !self.has_operator() => Ok(None),
            LinkPurpose::Operator { .. }
            | LinkPurpose::Verify { .. }
            | LinkPurpose::Reset { .. }
            | LinkPurpose::Invite { .. } => Err(LinkRefusal),
        }
    }

    /// Makes an operator by link. Where the address has an account, that becomes one: with the new password, and signed out
    /// everywhere. The link came by no mail, so the address is not confirmed by it.
    ///
    /// # Errors
    /// [`LinkRefusal`], also for another address than the link is for.
    pub fn make_operator(
        &self,
        link: LinkId,
        new: NewOperator,
        at: UnixMillis,
    ) -> Result<(PersonId, Decided), LinkRefusal> {
        let NewOperator { email, password, person } = new;
        if self.makes_operator(link, at)?.is_some_and(|wanted| *wanted != email) {
            return Err(LinkRefusal);
        }
        let mut decided = Decided::facts([PeopleFact::LinkUsed { link, at }]);
        let known = self.by_email(&email).map(|known| (known.id, known.email.clone()));
        let person = known.as_ref().map_or(person, |(id, _)| *id);
        match known {
            None => decided.push(PeopleFact::Registered { person, at, email, password }),
            Some((_, to)) => {
                decided.push(PeopleFact::PasswordChanged { person, at, password });
                decided.facts.extend(self.end_sessions(person, None, at).facts);
                decided = decided.with(Letter::PasswordChanged { to });
            }
        }
        if !self.is_operator(person) {
            decided.push(PeopleFact::OperatorMade { person, at });
        }
        Ok((person, decided))
    }

    /// The password of the session's person was given again and compared with `compared`. `None` where that is not their
    /// password's hash any more, or the session is over.
    pub fn confirm_password(&self, session: SessionId, compared: &PasswordHash, at: UnixMillis) -> Option<Decided> {
        let person = self.sessions.get(&session)?.person;
        self.person(person).filter(|known| known.password == *compared)?;
        Some(Decided::facts([PeopleFact::PasswordGiven { session, at }]))
    }
}

#[cfg(test)]
mod tests {
    use super::super::session::{NewSession, OPERATOR_ABSOLUTE_LIFE, OPERATOR_IDLE_LIFE};
    use super::super::{Registration, TokenDigest};
    use super::*;
    use crate::domain::fact::Fact;
    use crate::domain::ids::WorkspaceId;

    const START: UnixMillis = UnixMillis(1_790_000_000_000);

    fn note(people: &mut People, decided: Decided) -> Vec<Letter> {
        for fact in decided.facts {
            match serde_json::from_str(&serde_json::to_string(&fact).unwrap()).unwrap() {
                Fact::People(fact) => people.apply(&fact),
                Fact::WorkspaceCreated(created) => people.note_workspace(&created),
                other => panic!("a fact of another part: {other:?}"),
            }
        }
        decided.letters
    }

    fn link(n: u128) -> LinkId {
        LinkId::from_bits(n)
    }

    fn new(address: &str, n: u128) -> NewOperator {
        let password = PasswordHash("chosen".to_owned());
        NewOperator { email: address.parse().unwrap(), password, person: PersonId::from_bits(n) }
    }

    fn session(n: u8) -> NewSession {
        NewSession {
            session: SessionId::from_bits(n.into()),
            digest: TokenDigest([n; 32]),
            address: "203.0.113.0/24".to_owned(),
            client: "Firefox on Linux".to_owned(),
            previous: None,
        }
    }

    #[test]
    fn the_first_operator_comes_by_the_newest_link_once_and_within_its_time() {
        let mut people = People::default();
        for n in [1, 2] {
            let decided = people.begin_set_up(link(n), START).unwrap();
            note(&mut people, decided);
        }
        assert_eq!(people.makes_operator(link(1), START), Err(LinkRefusal), "taken back by the second");
        assert_eq!(people.makes_operator(link(2), START.plus_millis(OPERATOR_LINK_LIVES)), Err(LinkRefusal));
        assert_eq!(people.makes_operator(link(2), START.plus_millis(OPERATOR_LINK_LIVES - 1)), Ok(None));
        assert_eq!((people.verify(link(2), START), people.resets(link(2), START).is_err()), (Err(LinkRefusal), true));
        let waiting = people.begin_set_up(link(3), START).unwrap();
        let (id, decided) = people.make_operator(link(2), new("op@example.com", 9), START).unwrap();
        note(&mut people, decided);
        assert!(people.is_operator(id) && people.person(id).unwrap().verified_at.is_none());
        assert!(people.make_operator(link(2), new("b@example.com", 10), START).is_err(), "used");
        note(&mut people, waiting);
        assert!(people.make_operator(link(3), new("b@example.com", 10), START).is_err(), "there is one by now");
        assert_eq!(people.begin_set_up(link(4), START), None);
    }

    #[test]
    fn a_link_for_an_address_is_for_no_other_and_an_account_is_signed_out() {
        let mut people = People::default();
        let registration = Registration {
            email: "ann@example.com".parse().unwrap(),
            password: PasswordHash("first".to_owned()),
            person: PersonId::from_bits(1),
            link: link(1),
            workspace: WorkspaceId::from_bits(1),
            workspace_name: "Own".to_owned(),
        };
        let decided = people.register(registration, START);
        note(&mut people, decided);
        let ann = PersonId::from_bits(1);
        let first = PasswordHash("first".to_owned());
        assert_eq!(people.open_operator_session(ann, &first, session(1), START), None, "no operator");
        let decided = people.open_session(ann, &first, session(2), START).unwrap();
        note(&mut people, decided);
        let decided = people.invite_operator("Ann@example.com".parse().unwrap(), link(5), START);
        note(&mut people, decided);
        assert!(people.make_operator(link(5), new("ben@example.com", 7), START).is_err());
        let (id, decided) = people.make_operator(link(5), new("ann@example.com", 7), START).unwrap();
        let letters = note(&mut people, decided);
        assert!(matches!(&letters[..], [Letter::PasswordChanged { .. }]), "{letters:?}");
        assert_eq!((id, people.is_operator(ann)), (ann, true));
        assert!(people.session(&TokenDigest([2; 32]), START).is_none(), "signed out");
        assert_eq!(people.begin_reset(&"ann@example.com".parse().unwrap(), link(6), START), Decided::default());
    }

    #[test]
    fn an_operators_session_is_of_its_own_realm_and_short() {
        let mut people = People::default();
        let decided = people.begin_set_up(link(1), START).unwrap();
        note(&mut people, decided);
        let (id, decided) = people.make_operator(link(1), new("op@example.com", 9), START).unwrap();
        note(&mut people, decided);
        let chosen = PasswordHash("chosen".to_owned());
        for (n, operator) in [(1, true), (2, false)] {
            let decided = if operator {
                people.open_operator_session(id, &chosen, session(n), START)
            } else {
                people.open_session(id, &chosen, session(n), START)
            };
            note(&mut people, decided.unwrap());
        }
        let at = |millis| START.plus_millis(millis);
        let digest = |n: u8| TokenDigest([n; 32]);
        assert!(people.session(&digest(1), START).is_none() && people.operator_session(&digest(2), START).is_none());
        assert!(people.operator_session(&digest(1), at(OPERATOR_IDLE_LIFE - 1)).is_some());
        assert!(people.operator_session(&digest(1), at(OPERATOR_IDLE_LIFE)).is_none());
        let mut now = 0;
        while now + OPERATOR_IDLE_LIFE / 2 < OPERATOR_ABSOLUTE_LIFE {
            now += OPERATOR_IDLE_LIFE / 2;
            let decided = people.touch(SessionId::from_bits(1), at(now));
            note(&mut people, decided);
        }
        assert!(people.operator_session(&digest(1), at(OPERATOR_ABSOLUTE_LIFE - 1)).is_some());
        assert!(people.operator_session(&digest(1), at(OPERATOR_ABSOLUTE_LIFE)).is_none());
        let given = people.confirm_password(SessionId::from_bits(1), &chosen, at(5)).unwrap();
        note(&mut people, given);
        assert_eq!(people.operator_session(&digest(1), at(6)).unwrap().fresh_at, at(5));
        let other = PasswordHash("other".to_owned());
        assert_eq!(people.confirm_password(SessionId::from_bits(1), &other, at(5)), None);
    }
}
