//! People: who signs in, from where, and to which workspaces they belong.
//!
//! A pure state machine. A decision looks at the state and gives facts and letters, or a refusal; [`People::apply`] is the only
//! thing that changes the state, live and in replay alike. Ids, times, digests and hashes of passwords are given by the caller.
//! `registration` has signing up and links, `session` signing in, `members` who belongs to a workspace, `operators` who runs the
//! gateway. What a letter says and
//! how a link's token is made is not known here.

mod email;
mod fact;
mod members;
mod operators;
mod registration;
mod role;
mod search;
mod session;
mod state;
#[cfg(test)]
mod tests;

pub use email::{Email, LEN_MAX as EMAIL_LEN_MAX, ParseEmailError};
pub use fact::{LinkPurpose, PasswordHash, PeopleFact, TokenDigest};
pub use members::{INVITATIONS_MAX, Invitation, Member, MemberRefusal};
pub use operators::{NewOperator, OPERATOR_LINK_LIVES, PASSWORD_FRESH_FOR, Realm};
pub use registration::{LinkRefusal, NewPassword, RESET_LINK_LIVES, Registration, VERIFY_LINK_LIVES};
pub use role::{ParseRoleError, Role};
pub use session::{
    ABSOLUTE_LIFE, IDLE_LIFE, NewSession, OPERATOR_ABSOLUTE_LIFE, OPERATOR_IDLE_LIFE, SESSIONS_MAX, SessionView,
};
pub use state::{People, Person};

use super::fact::Fact;
use super::ids::{LinkId, WorkspaceId};
use super::time::UnixMillis;

/// A mail that goes out with a decision. The token of its link is made when it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Letter {
    /// Please confirm the address.
    Verify {
        /// To whom.
        to: Email,
        /// With which link.
        link: LinkId,
        /// Until when it works.
        expires_at: UnixMillis,
    },
    /// Somebody wanted to sign up with an address that has an account.
    AccountExists {
        /// To whom.
        to: Email,
    },
    /// How to set a new password.
    Reset {
        /// To whom.
        to: Email,
        /// With which link.
        link: LinkId,
        /// Until when it works.
        expires_at: UnixMillis,
    },
    /// Please join a workspace.
    Invite {
        /// To whom.
        to: Email,
        /// With which link.
        link: LinkId,
        /// Until when it works.
        expires_at: UnixMillis,
        /// Which workspace.
        workspace: WorkspaceId,
        /// Who invited.
        by: Email,
        /// As what.
        role: Role,
    },
    /// The password was changed.
    PasswordChanged {
        /// To whom.
        to: Email,
    },
    /// Somebody signed in from somewhere new.
    NewSignIn {
        /// To whom.
        to: Email,
        /// When.
        at: UnixMillis,
        /// The network, shortened.
        address: String,
        /// Browser and system.
        client: String,
    },
}

/// What was decided: what happened, and who is to be told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decided {
    /// In the order in which it happened.
    pub facts: Vec<Fact>,
    /// Mails.
    pub letters: Vec<Letter>,
}

impl Decided {
    fn facts(facts: impl IntoIterator<Item = PeopleFact>) -> Self {
        Self { facts: facts.into_iter().map(Fact::People).collect(), letters: Vec::new() }
    }

    fn with(mut self, letter: Letter) -> Self {
        self.letters.push(letter);
        self
    }

    fn push(&mut self, fact: PeopleFact) {
        self.facts.push(Fact::People(fact));
    }
}
