//! What a member of a workspace may do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A member's role, from the most to the least that it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, and who else belongs to the workspace.
    Owner,
    /// Money: top-ups, receipts, limits of spending.
    Finance,
    /// Keys.
    Developer,
    /// Looks, and changes nothing.
    Viewer,
}

/// A text is not a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected owner, finance, developer or viewer")]
pub struct ParseRoleError;

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Finance, Self::Developer, Self::Viewer];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Finance => "finance",
            Self::Developer => "developer",
            Self::Viewer => "viewer",
        }
    }

    /// Pays, and sees and sets what concerns paying.
    pub const fn may_money(self) -> bool {
        matches!(self, Self::Owner | Self::Finance)
    }

    /// Makes and revokes keys.
    pub const fn may_keys(self) -> bool {
        matches!(self, Self::Owner | Self::Developer)
    }

    /// Invites, removes, gives roles, and changes the workspace's settings.
    pub const fn may_members(self) -> bool {
        matches!(self, Self::Owner)
    }
}

impl FromStr for Role {
    type Err = ParseRoleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or(ParseRoleError)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_what_it_is_for() {
        let may = |role: Role| (role.may_money(), role.may_keys(), role.may_members());
        assert_eq!(
            Role::ALL.map(may),
            [(true, true, true), (true, false, false), (false, true, false), (false, false, false)]
        );
        assert!(Role::ALL.iter().all(|role| role.name().parse() == Ok(*role)));
        assert_eq!("admin".parse::<Role>(), Err(ParseRoleError));
    }
}
