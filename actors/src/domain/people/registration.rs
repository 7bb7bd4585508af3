//! Signing up, confirming the address, and passwords.

use super::state::Link;
use super::{Decided, Email, Letter, LinkPurpose, PasswordHash, People, PeopleFact, Role};
use crate::domain::fact::{Fact, WorkspaceCreated};
use crate::domain::ids::{LinkId, PersonId, SessionId, WorkspaceId};
use crate::domain::time::UnixMillis;

/// A link that confirms an address works for 24 hours, in milliseconds.
pub const VERIFY_LINK_LIVES: i64 = 24 * 60 * 60_000;
/// A link that sets a password works for 30 minutes, in milliseconds.
pub const RESET_LINK_LIVES: i64 = 30 * 60_000;

/// Somebody wants to sign up.
#[derive(Clone, Debug)]
pub struct Registration {
    /// With this address.
    pub email: Email,
    /// The hash of their password.
    pub password: PasswordHash,
    /// The id they get.
    pub person: PersonId,
    /// The link that confirms the address.
    pub link: LinkId,
    /// The id of their own workspace.
    pub workspace: WorkspaceId,
    /// What it is called.
    pub workspace_name: String,
}

/// A person chose a new password.
#[derive(Clone, Debug)]
pub struct NewPassword {
    /// Its hash.
    pub password: PasswordHash,
    /// The session it was chosen in, which goes on.
    pub session: Option<SessionId>,
}

/// A link does nothing: it was never issued, used, taken back, has expired, or is for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the link does not work any more")]
pub struct LinkRefusal;

impl People {
    /// Somebody signs up. An address that has an account gets a letter that says so, and nothing else shows it.
    pub fn register(&self, registration: Registration, at: UnixMillis) -> Decided {
        let Registration { email, password, person, link, workspace, workspace_name } = registration;
        if let Some(known) = self.by_email(&email) {
            return Decided::default().with(Letter::AccountExists { to: known.email.clone() });
        }
        let created = WorkspaceCreated {
            workspace,
            at,
            name: workspace_name,
            owner_email: email.as_str().to_owned(),
            email_verified: false,
        };
        let mut decided = Decided::facts([PeopleFact::Registered { person, at, email: email.clone(), password }]);
        decided.facts.push(Fact::WorkspaceCreated(created));
        decided.push(PeopleFact::MemberJoined { workspace, person, role: Role::Owner, at });
        let expires_at = at.plus_millis(VERIFY_LINK_LIVES);
        decided.push(PeopleFact::LinkIssued { link, at, expires_at, does: LinkPurpose::Verify { person } });
        decided.with(Letter::Verify { to: email, link, expires_at })
    }

    /// Another letter to confirm the address; nothing where it is confirmed.
    pub fn verify_again(&self, person: PersonId, link: LinkId, at: UnixMillis) -> Decided {
        let Some(known) = self.person(person).filter(|known| known.verified_at.is_none()) else {
            return Decided::default();
        };
        let expires_at = at.plus_millis(VERIFY_LINK_LIVES);
        Decided::facts([PeopleFact::LinkIssued { link, at, expires_at, does: LinkPurpose::Verify { person } }])
            .with(Letter::Verify { to: known.email.clone(), link, expires_at })
    }

    /// What a link does, if it still works.
    ///
    /// # Errors
    /// [`LinkRefusal`].
    pub fn link(&self, link: LinkId, now: UnixMillis) -> Result<&LinkPurpose, LinkRefusal> {
        let working = self.links.get(&link).filter(|link: &&Link| now < link.expires_at);
        working.map(|link| &link.does).ok_or(LinkRefusal)
    }

    /// The person whose address the link confirms.
    ///
    /// # Errors
    /// [`LinkRefusal`].
    pub fn verifies(&self, link: LinkId, now: UnixMillis) -> Result<PersonId, LinkRefusal> {
        match self.link(link, now)? {
            LinkPurpose::Verify { person } => Ok(*person),
            LinkPurpose::Reset { .. } | LinkPurpose::Invite { .. } | LinkPurpose::Operator { .. } => Err(LinkRefusal),
        }
    }

    /// Confirms an address.
    ///
    /// # Errors
    /// [`LinkRefusal`].
    pub fn verify(&self, link: LinkId, at: UnixMillis) -> Result<Decided, LinkRefusal> {
        let person = self.verifies(link, at)?;
        Ok(Decided::facts([PeopleFact::LinkUsed { link, at }, PeopleFact::Verified { person, at }]))
    }

    /// Somebody forgot the password of this address; nothing where nobody has it. An operator's is not set by mail: whoever
    /// reads a mailbox does not run the gateway.
    pub fn begin_reset(&self, email: &Email, link: LinkId, at: UnixMillis) -> Decided {
        let Some(known) = self.by_email(email).filter(|known| !self.is_operator(known.id)) else {
            return Decided::default();
        };
        let expires_at = at.plus_millis(RESET_LINK_LIVES);
        Decided::facts([PeopleFact::LinkIssued { link, at, expires_at, does: LinkPurpose::Reset { person: known.id } }])
            .with(Letter::Reset { to: known.email.clone(), link, expires_at })
    }

    /// The person whose password the link sets.
    ///
    /// # Errors
    /// [`LinkRefusal`].
    pub fn resets(&self, link: LinkId, now: UnixMillis) -> Result<PersonId, LinkRefusal> {
        match self.link(link, now)? {
            LinkPurpose::Reset { person } => Ok(*person),
            LinkPurpose::Verify { .. } | LinkPurpose::Invite { .. } | LinkPurpose::Operator { .. } => Err(LinkRefusal),
        }
    }

    /// Sets a password by link. All sessions end. The link came by mail, so the address is confirmed too.
    ///
    /// # Errors
    /// [`LinkRefusal`].
    pub fn finish_reset(&self, link: LinkId, password: PasswordHash, at: UnixMillis) -> Result<Decided, LinkRefusal> {
        let person = self.resets(link, at)?;
        let known = self.person(person).filter(|known| !self.is_operator(known.id)).ok_or(LinkRefusal)?;
        let mut decided =
            Decided::facts([PeopleFact::LinkUsed { link, at }, PeopleFact::PasswordChanged { person, at, password }]);
        if known.verified_at.is_none() {
            decided.push(PeopleFact::Verified { person, at });
        }
        decided.facts.extend(self.end_sessions(person, None, at).facts);
        Ok(decided.with(Letter::PasswordChanged { to: known.email.clone() }))
    }

    /// Sets a password that was chosen by somebody who knew the old one, whose hash is `compared`. All other sessions end.
    /// `None` where the old one is not theirs any more.
    pub fn change_password(
        &self,
        person: PersonId,
        compared: &PasswordHash,
        new: NewPassword,
        at: UnixMillis,
    ) -> Option<Decided> {
        let known = self.person(person).filter(|known| known.password == *compared)?;
        let NewPassword { password, session } = new;
        let mut decided = Decided::facts([PeopleFact::PasswordChanged { person, at, password }]);
        decided.facts.extend(self.end_sessions(person, session, at).facts);
        Some(decided.with(Letter::PasswordChanged { to: known.email.clone() }))
    }

    /// Gives a person a name.
    pub fn rename(&self, person: PersonId, name: String, at: UnixMillis) -> Decided {
        let changed = self.person(person).is_some_and(|known| known.name != name);
        Decided::facts(changed.then_some(PeopleFact::Renamed { person, at, name }))
    }
}
