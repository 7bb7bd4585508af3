//! Who belongs to a workspace: invited, joined, given another role, removed. Never without an owner.

use super::{Decided, Email, Letter, LinkPurpose, LinkRefusal, People, PeopleFact, Role};
use crate::domain::ids::{LinkId, PersonId, WorkspaceId};
use crate::domain::time::UnixMillis;

/// An invitation holds for seven days, in milliseconds.
const INVITATION_LIVES: i64 = 7 * 24 * 60 * 60_000;
/// Invitations of one workspace that wait: enough for a team, and no way to send mail to the world.
pub const INVITATIONS_MAX: usize = 20;

/// A member, as lists show them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub person: PersonId,
    /// Their address.
    pub email: Email,
    /// Their name, if they gave one.
    pub name: String,
    /// What they may.
    pub role: Role,
}

/// An invitation that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Its link.
    pub link: LinkId,
    /// Who is invited.
    pub email: Email,
    /// As what.
    pub role: Role,
    /// Until when it holds.
    pub expires_at: UnixMillis,
}

/// A change of members that is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemberRefusal {
    /// Who asks is not an owner of the workspace.
    #[error("only an owner may change members")]
    NotAllowed,
    /// The workspace has no such member or invitation.
    #[error("there is no such member")]
    Unknown,
    /// They belong to it already.
    #[error("this person belongs to the workspace already")]
    AlreadyMember,
    /// The last owner stays, as an owner.
    #[error("a workspace keeps at least one owner")]
    LastOwner,
    /// [`INVITATIONS_MAX`] wait.
    #[error("too many invitations wait for an answer")]
    TooMany,
}

impl People {
    /// The members of a workspace, by address.
    pub fn members(&self, workspace: WorkspaceId) -> Vec<Member> {
        let ids = self.members.get(&workspace).into_iter().flatten();
        let mut members: Vec<Member> = ids
            .filter_map(|(id, role)| {
                let known = self.person(*id)?;
                Some(Member { person: *id, email: known.email.clone(), name: known.name.clone(), role: *role })
            })
            .collect();
        members.sort_by_cached_key(|member| member.email.folded());
        members
    }

    /// The invitations of a workspace that wait, the oldest first.
    pub fn invitations(&self, workspace: WorkspaceId, now: UnixMillis) -> Vec<Invitation> {
        let ids = self.invitations.get(&workspace).into_iter().flatten();
        ids.filter_map(|id| {
            let link = self.links.get(id).filter(|link| now < link.expires_at)?;
            let LinkPurpose::Invite { email, role, .. } = &link.does else { return None };
            Some(Invitation { link: *id, email: email.clone(), role: *role, expires_at: link.expires_at })
        })
        .collect()
    }

    /// Invites whoever has this address. An earlier invitation of the same address is replaced.
    ///
    /// # Errors
    /// [`MemberRefusal`].
    pub fn invite(
        &self,
        workspace: WorkspaceId,
        by: PersonId,
        email: Email,
        role: Role,
        link: LinkId,
        at: UnixMillis,
    ) -> Result<Decided, MemberRefusal> {
        let inviter = self.owner(workspace, by)?;
        let already = self.by_email(&email).is_some_and(|known| self.role(workspace, known.id).is_some());
        if already {
            return Err(MemberRefusal::AlreadyMember);
        }
        let (same, others): (Vec<Invitation>, Vec<Invitation>) =
            self.invitations(workspace, at).into_iter().partition(|waiting| waiting.email == email);
        if others.len() >= INVITATIONS_MAX {
            return Err(MemberRefusal::TooMany);
        }
        let mut decided = Decided::facts(same.iter().map(|same| PeopleFact::LinkUsed { link: same.link, at }));
        let expires_at = at.plus_millis(INVITATION_LIVES);
        let does = LinkPurpose::Invite { workspace, email: email.clone(), role, by };
        decided.push(PeopleFact::LinkIssued { link, at, expires_at, does });
        Ok(decided.with(Letter::Invite { to: email, link, expires_at, workspace, by: inviter, role }))
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// [`MemberRefusal`].
    pub fn withdraw(
        &self,
        workspace: WorkspaceId,
        by: PersonId,
        link: LinkId,
        at: UnixMillis,
    ) -> Result<Decided, MemberRefusal> {
        self.owner(workspace, by)?;
        let waits = self.invitations.get(&workspace).is_some_and(|waiting| waiting.contains(&link));
        if !waits {
            return Err(MemberRefusal::Unknown);
        }
        Ok(Decided::facts([PeopleFact::LinkUsed { link, at }]))
    }

    /// The workspace and the address of an invitation that holds: its inviter is an owner still.
    ///
    /// # Errors
    /// [`LinkRefusal`].
    pub fn invites(&self, link: LinkId, now: UnixMillis) -> Result<(WorkspaceId, &Email, Role), LinkRefusal> {
        match self.link(link, now)? {
            LinkPurpose::Invite { workspace, email, role, by } if self.owner(*workspace, *by).is_ok() => {
                Ok((*workspace, email, *role))
            }
            LinkPurpose::Invite { .. }
            | LinkPurpose::Verify { .. }
            | LinkPurpose::Reset { .. }
            | LinkPurpose::Operator { .. } => Err(LinkRefusal),
        }
    }

    /// A person accepts an invitation, which must be for their address. It came by mail, so the address is confirmed too.
    ///
    /// # Errors
    /// [`LinkRefusal`].
    pub fn accept(
        &self,
        link: LinkId,
        person: PersonId,
        at: UnixMillis,
    ) -> Result<(WorkspaceId, Decided), LinkRefusal> {
        let (workspace, email, role) = self.invites(link, at)?;
        let known = self.person(person).filter(|known| known.email == *email).ok_or(LinkRefusal)?;
        let mut decided = Decided::facts([PeopleFact::LinkUsed { link, at }]);
        if known.verified_at.is_none() {
            decided.push(PeopleFact::Verified { person, at });
        }
        if self.role(workspace, person).is_none() {
            decided.push(PeopleFact::MemberJoined { workspace, person, role, at });
        }
        Ok((workspace, decided))
    }

    /// Gives a member another role.
    ///
    /// # Errors
    /// [`MemberRefusal`].
    pub fn change_role(
        &self,
        workspace: WorkspaceId,
        by: PersonId,
        person: PersonId,
        role: Role,
        at: UnixMillis,
    ) -> Result<Decided, MemberRefusal> {
        self.owner(workspace, by)?;
        let before = self.role(workspace, person).ok_or(MemberRefusal::Unknown)?;
        if role != Role::Owner {
            self.spare(workspace, before)?;
        }
        Ok(Decided::facts((before != role).then_some(PeopleFact::RoleChanged { workspace, person, role, at })))
    }

    /// Removes a member, or has one leave.
    ///
    /// # Errors
    /// [`MemberRefusal`].
    pub fn remove(
        &self,
        workspace: WorkspaceId,
        by: PersonId,
        person: PersonId,
        at: UnixMillis,
    ) -> Result<Decided, MemberRefusal> {
        if by != person {
            self.owner(workspace, by)?;
        }
        let role = self.role(workspace, person).ok_or(MemberRefusal::Unknown)?;
        self.spare(workspace, role)?;
        Ok(Decided::facts([PeopleFact::MemberRemoved { workspace, person, at }]))
    }

    /// The address of an owner.
    fn owner(&self, workspace: WorkspaceId, person: PersonId) -> Result<Email, MemberRefusal> {
        let may = self.role(workspace, person).is_some_and(Role::may_members);
        let known = self.person(person).filter(|_| may).ok_or(MemberRefusal::NotAllowed)?;
        Ok(known.email.clone())
    }

    /// Whether the workspace can do without somebody in this role.
    fn spare(&self, workspace: WorkspaceId, role: Role) -> Result<(), MemberRefusal> {
        let owners =
            self.members.get(&workspace).into_iter().flatten().filter(|(_, role)| **role == Role::Owner).count();
        if role == Role::Owner && owners < 2 { Err(MemberRefusal::LastOwner) } else { Ok(()) }
    }
}
