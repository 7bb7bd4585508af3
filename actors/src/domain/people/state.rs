//! What is known about people, and the one function that changes it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::session::{ABSOLUTE_LIFE, SESSIONS_MAX};
use super::{Email, LinkPurpose, PasswordHash, PeopleFact, Realm, Role, TokenDigest};
use crate::domain::fact::WorkspaceCreated;
use crate::domain::ids::{LinkId, PersonId, SessionId, WorkspaceId};
use crate::domain::time::UnixMillis;

/// Places that a person signed in from, as far as they are remembered.
const PLACES_MAX: usize = 50;

/// One person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Their id.
    pub id: PersonId,
    /// Their address.
    pub email: Email,
    /// What they want to be called; empty until they say.
    pub name: String,
    /// The hash of their password.
    pub password: PasswordHash,
    /// When they signed up.
    pub registered_at: UnixMillis,
    /// When they confirmed the address.
    pub verified_at: Option<UnixMillis>,
    /// When the password was last set.
    pub password_changed_at: UnixMillis,
    pub(super) sessions: BTreeSet<SessionId>,
    pub(super) workspaces: BTreeSet<WorkspaceId>,
    pub(super) links: BTreeSet<LinkId>,
    /// Network and browser of earlier sign-ins.
    pub(super) places: BTreeSet<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) person: PersonId,
    pub(super) opened_at: UnixMillis,
    /// When the password was last given.
    pub(super) fresh_at: UnixMillis,
    pub(super) seen_at: UnixMillis,
    pub(super) digest: TokenDigest,
    pub(super) address: String,
    pub(super) client: String,
    pub(super) realm: Realm,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) issued_at: UnixMillis,
    pub(super) expires_at: UnixMillis,
    pub(super) does: LinkPurpose,
}

/// Everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    pub(super) persons: HashMap<PersonId, Person>,
    pub(super) by_email: HashMap<Email, PersonId>,
    pub(super) sessions: HashMap<SessionId, Session>,
    pub(super) by_digest: HashMap<TokenDigest, SessionId>,
    /// Links that were neither used nor taken back.
    pub(super) links: HashMap<LinkId, Link>,
    pub(super) members: HashMap<WorkspaceId, BTreeMap<PersonId, Role>>,
    pub(super) invitations: HashMap<WorkspaceId, BTreeSet<LinkId>>,
    /// What workspaces are called.
    pub(super) names: HashMap<WorkspaceId, String>,
    /// Workspaces by the address that they were opened for; who confirms it owns them.
    pub(super) opened_for: HashMap<Email, BTreeSet<WorkspaceId>>,
    /// Who runs the gateway.
    pub(super) operators: BTreeSet<PersonId>,
    /// Links that make an operator.
    pub(super) operator_links: BTreeSet<LinkId>,
}

// --- Looking ------------------------------------------------------------------------------------------------------

impl People {
    /// A person.
    pub fn person(&self, id: PersonId) -> Option<&Person> {
        self.persons.get(&id)
    }

    /// The person with this address.
    pub fn by_email(&self, email: &Email) -> Option<&Person> {
        self.person(*self.by_email.get(email)?)
    }

    /// The person's role in the workspace; `None` where they do not belong to it.
    pub fn role(&self, workspace: WorkspaceId, person: PersonId) -> Option<Role> {
        self.members.get(&workspace)?.get(&person).copied()
    }

    /// The workspaces that a person belongs to, the oldest first.
    pub fn workspaces(&self, person: PersonId) -> Vec<(WorkspaceId, Role)> {
        let ids = self.persons.get(&person).into_iter().flat_map(|person| person.workspaces.iter());
        ids.filter_map(|id| Some((*id, self.role(*id, person)?))).collect()
    }

    /// What a workspace is called; nothing where there is none.
    pub fn workspace_name(&self, workspace: WorkspaceId) -> &str {
        self.names.get(&workspace).map(String::as_str).unwrap_or_default()
    }

    /// The workspaces that a person owns.
    pub fn owned(&self, person: PersonId) -> Vec<WorkspaceId> {
        let owned = self.workspaces(person).into_iter().filter(|(_, role)| *role == Role::Owner);
        owned.map(|(id, _)| id).collect()
    }
}

// --- Changing -----------------------------------------------------------------------------------------------------

impl People {
    /// A workspace was opened for an address. An address without an `@` belongs to nobody.
    pub fn note_workspace(&mut self, created: &WorkspaceCreated) {
        self.names.insert(created.workspace, created.name.clone());
        let Ok(email) = created.owner_email.parse::<Email>() else { return };
        let verified = self.by_email(&email).filter(|person| person.verified_at.is_some()).map(|person| person.id);
        match verified {
            Some(person) => self.join(created.workspace, person, Role::Owner),
            None => {
                self.opened_for.entry(email).or_default().insert(created.workspace);
            }
        }
    }

    /// A workspace is called something else from here on.
    pub fn rename_workspace(&mut self, workspace: WorkspaceId, name: &str) {
        self.names.insert(workspace, name.to_owned());
    }

    /// Something happened. What does not fit the state changes nothing: decisions make only facts that do.
    pub fn apply(&mut self, fact: &PeopleFact) {
        match fact {
            PeopleFact::Registered { person, at, email, password } => {
                self.by_email.insert(email.clone(), *person);
                let known = Person {
                    id: *person,
                    email: email.clone(),
                    name: String::new(),
                    password: password.clone(),
                    registered_at: *at,
                    verified_at: None,
                    password_changed_at: *at,
                    sessions: BTreeSet::new(),
                    workspaces: BTreeSet::new(),
                    links: BTreeSet::new(),
                    places: BTreeSet::new(),
                };
                self.persons.insert(*person, known);
            }
            PeopleFact::Verified { person, at } => self.verified(*person, *at),
            PeopleFact::PasswordChanged { person, at, password } => {
                if let Some(known) = self.persons.get_mut(person) {
                    known.password = password.clone();
                    known.password_changed_at = *at;
                }
                self.drop_links(*person, |does| matches!(does, LinkPurpose::Reset { .. }));
            }
            PeopleFact::Renamed { person, at: _, name } => {
                if let Some(known) = self.persons.get_mut(person) {
                    known.name.clone_from(name);
                }
            }
            PeopleFact::SessionOpened { session, person, at, digest, address, client, realm } => {
                let opened = Session {
                    person: *person,
                    opened_at: *at,
                    fresh_at: *at,
                    seen_at: *at,
                    digest: *digest,
                    address: address.clone(),
                    client: client.clone(),
                    realm: *realm,
                };
                self.open(*session, opened);
            }
            PeopleFact::SessionSeen { session, at } => {
                if let Some(known) = self.sessions.get_mut(session) {
                    known.seen_at = *at;
                }
            }
            PeopleFact::PasswordGiven { session, at } => {
                if let Some(known) = self.sessions.get_mut(session) {
                    known.fresh_at = *at;
                }
            }
            PeopleFact::SessionEnded { session, at: _ } => self.end(*session),
            PeopleFact::OperatorMade { person, at: _ } => {
                if self.persons.contains_key(person) {
                    self.operators.insert(*person);
                }
            }
            PeopleFact::LinkIssued { link, at, expires_at, does } => {
                let issued = Link { issued_at: *at, expires_at: *expires_at, does: does.clone() };
                self.issue(*link, issued);
            }
            PeopleFact::LinkUsed { link, at: _ } => self.drop_link(*link),
            PeopleFact::MemberJoined { workspace, person, role, at: _ }
            | PeopleFact::RoleChanged { workspace, person, role, at: _ } => self.join(*workspace, *person, *role),
            PeopleFact::MemberRemoved { workspace, person, at: _ } => {
                if let Some(members) = self.members.get_mut(workspace) {
                    members.remove(person);
                }
                if let Some(known) = self.persons.get_mut(person) {
                    known.workspaces.remove(workspace);
                }
            }
        }
    }

    fn verified(&mut self, person: PersonId, at: UnixMillis) {
        let Some(known) = self.persons.get_mut(&person) else { return };
        known.verified_at.get_or_insert(at);
        let email = known.email.clone();
        for workspace in self.opened_for.remove(&email).unwrap_or_default() {
            // Where others belong to it by now, they have decided who else does.
            if self.members.get(&workspace).is_none_or(BTreeMap::is_empty) {
                self.join(workspace, person, Role::Owner);
            }
        }
        self.drop_links(person, |does| matches!(does, LinkPurpose::Verify { .. }));
    }

    fn join(&mut self, workspace: WorkspaceId, person: PersonId, role: Role) {
        if let Some(known) = self.persons.get_mut(&person) {
            known.workspaces.insert(workspace);
            self.members.entry(workspace).or_default().insert(person, role);
        }
    }

    fn open(&mut self, id: SessionId, opened: Session) {
        let Some(person) = self.persons.get_mut(&opened.person) else { return };
        if person.places.len() < PLACES_MAX {
            person.places.insert((opened.address.clone(), opened.client.clone()));
        }
        let over = |known: &Session| known.opened_at.plus_millis(ABSOLUTE_LIFE) <= opened.at();
        let mut ending: Vec<SessionId> =
            person.sessions.iter().filter(|id| self.sessions.get(id).is_none_or(over)).copied().collect();
        let left = person.sessions.len().saturating_sub(ending.len());
        if left >= SESSIONS_MAX {
            // Ids sort by age.
            let oldest = person.sessions.iter().find(|id| !ending.contains(id)).copied();
            ending.extend(oldest);
        }
        person.sessions.insert(id);
        self.by_digest.insert(opened.digest, id);
        self.sessions.insert(id, opened);
        for id in ending {
            self.end(id);
        }
    }

    fn end(&mut self, id: SessionId) {
        let Some(ended) = self.sessions.remove(&id) else { return };
        self.by_digest.remove(&ended.digest);
        if let Some(person) = self.persons.get_mut(&ended.person) {
            person.sessions.remove(&id);
        }
    }

    fn issue(&mut self, id: LinkId, issued: Link) {
        let now = issued.issued_at;
        let ids = match &issued.does {
            LinkPurpose::Verify { person } | LinkPurpose::Reset { person } => {
                let Some(person) = self.persons.get_mut(person) else { return };
                &mut person.links
            }
            LinkPurpose::Invite { workspace, .. } => self.invitations.entry(*workspace).or_default(),
            LinkPurpose::Operator { .. } => &mut self.operator_links,
        };
        let over: Vec<LinkId> =
            ids.iter().filter(|id| self.links.get(id).is_none_or(|link| link.expires_at <= now)).copied().collect();
        ids.insert(id);
        self.links.insert(id, issued);
        for id in over {
            self.drop_link(id);
        }
    }

    fn drop_link(&mut self, id: LinkId) {
        let Some(link) = self.links.remove(&id) else { return };
        let ids = match link.does {
            LinkPurpose::Verify { person } | LinkPurpose::Reset { person } => {
                self.persons.get_mut(&person).map(|person| &mut person.links)
            }
            LinkPurpose::Invite { workspace, .. } => self.invitations.get_mut(&workspace),
            LinkPurpose::Operator { .. } => Some(&mut self.operator_links),
        };
        if let Some(ids) = ids {
            ids.remove(&id);
        }
    }

    fn drop_links(&mut self, person: PersonId, which: impl Fn(&LinkPurpose) -> bool) {
        let ids = self.persons.get(&person).into_iter().flat_map(|person| person.links.iter());
        let which = |id: &&LinkId| self.links.get(id).is_some_and(|link| which(&link.does));
        let dropped: Vec<LinkId> = ids.filter(which).copied().collect();
        for id in dropped {
            self.drop_link(id);
        }
    }
}

impl Session {
    const fn at(&self) -> UnixMillis {
        self.opened_at
    }
}
