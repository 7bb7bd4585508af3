//! What happened to people. Holds digests, never a token or a password.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Email, Realm, Role};
use crate::domain::ids::{LinkId, PersonId, SessionId, WorkspaceId};
use crate::domain::time::UnixMillis;

/// Something that happened to a person, a session, a link or a membership.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum PeopleFact {
    /// Somebody signed up. The address is not verified yet.
    Registered {
        /// Who.
        person: PersonId,
        /// When.
        at: UnixMillis,
        /// The address.
        email: Email,
        /// The hash of the password.
        password: PasswordHash,
    },
    /// The person has shown that mail to the address arrives.
    Verified {
        /// Who.
        person: PersonId,
        /// When.
        at: UnixMillis,
    },
    /// A new password holds. Links to reset it no longer do.
    PasswordChanged {
        /// Whose.
        person: PersonId,
        /// When.
        at: UnixMillis,
        /// The hash of the new one.
        password: PasswordHash,
    },
    /// The person goes by another name.
    Renamed {
        /// Who.
        person: PersonId,
        /// When.
        at: UnixMillis,
        /// The name.
        name: String,
    },
    /// Somebody signed in.
    SessionOpened {
        /// The session.
        session: SessionId,
        /// Whose.
        person: PersonId,
        /// When.
        at: UnixMillis,
        /// The digest of its token.
        digest: TokenDigest,
        /// The network that it came from, shortened.
        address: String,
        /// Browser and system, in a few words.
        client: String,
        /// Where it holds.
        #[serde(default)]
        realm: Realm,
    },
    /// Whoever has the session gave their password again.
    PasswordGiven {
        /// Which session.
        session: SessionId,
        /// When.
        at: UnixMillis,
    },
    /// The session was used; noted at most once an hour.
    SessionSeen {
        /// Which.
        session: SessionId,
        /// When.
        at: UnixMillis,
    },
    /// The session ended before its time.
    SessionEnded {
        /// Which.
        session: SessionId,
        /// When.
        at: UnixMillis,
    },
    /// A link that works once was mailed.
    LinkIssued {
        /// Which.
        link: LinkId,
        /// When.
        at: UnixMillis,
        /// From when on it does nothing.
        expires_at: UnixMillis,
        /// What it does.
        does: LinkPurpose,
    },
    /// The link was used, or taken back.
    LinkUsed {
        /// Which.
        link: LinkId,
        /// When.
        at: UnixMillis,
    },
    /// The person belongs to the workspace, in this role.
    MemberJoined {
        /// The workspace.
        workspace: WorkspaceId,
        /// Who.
        person: PersonId,
        /// As what.
        role: Role,
        /// When.
        at: UnixMillis,
    },
    /// The member has another role.
    RoleChanged {
        /// The workspace.
        workspace: WorkspaceId,
        /// Who.
        person: PersonId,
        /// As what.
        role: Role,
        /// When.
        at: UnixMillis,
    },
    /// The person runs the gateway from now on.
    OperatorMade {
        /// Who.
        person: PersonId,
        /// When.
        at: UnixMillis,
    },
    /// The person no longer belongs to the workspace.
    MemberRemoved {
        /// The workspace.
        workspace: WorkspaceId,
        /// Who.
        person: PersonId,
        /// When.
        at: UnixMillis,
    },
}

/// What a link of a mail does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "purpose", rename_all = "snake_case")]
pub enum LinkPurpose {
    /// Confirms the person's address.
    Verify {
        /// Whose.
        person: PersonId,
    },
    /// Sets a new password.
    Reset {
        /// Whose.
        person: PersonId,
    },
    /// Makes an operator.
    Operator {
        /// Of whoever has this address; without one, of whoever opens it, while there is no operator.
        #[serde(default)]
        email: Option<Email>,
    },
    /// Makes whoever has the address a member.
    Invite {
        /// Of this workspace.
        workspace: WorkspaceId,
        /// Who is invited.
        email: Email,
        /// As what.
        role: Role,
        /// Who invited; it holds while they are an owner.
        by: PersonId,
    },
}

/// A password's hash with its salt and cost, as a PHC string. Not printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// What is kept of a session's token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest(pub [u8; 32]);

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(…)")
    }
}

impl Serialize for TokenDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl<'de> Deserialize<'de> for TokenDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let hash = blake3::Hash::from_hex(text).map_err(serde::de::Error::custom)?;
        Ok(Self(*hash.as_bytes()))
    }
}
