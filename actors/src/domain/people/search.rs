//! Workspaces by what an operator knows of them: a part of the name, an address of somebody in it, or the id.

use std::collections::BTreeSet;

use super::People;
use crate::domain::ids::WorkspaceId;

impl People {
    /// Workspaces in whose name, id or addresses the text is found, in the order of their ids, after `after`, at most `limit`.
    /// An empty text is found in all. It looks at every workspace there is: for people, not for programs.
    pub fn find_workspaces(&self, text: &str, after: Option<WorkspaceId>, limit: usize) -> Vec<WorkspaceId> {
        if let Ok(id) = text.trim().parse::<WorkspaceId>() {
            let known = self.names.contains_key(&id) && after.is_none();
            return known.then_some(id).into_iter().collect();
        }
        let text = text.trim().to_lowercase();
        let mut found: BTreeSet<WorkspaceId> =
            self.names.iter().filter(|(_, name)| name.to_lowercase().contains(&text)).map(|(id, _)| *id).collect();
        // Where somebody has confirmed the address, they are a member; else it is remembered for whom it was opened.
        let waiting = self.opened_for.iter().filter(|(email, _)| email.folded().contains(&text));
        found.extend(waiting.flat_map(|(_, ids)| ids.iter().copied()));
        let persons = self.persons.values().filter(|person| person.email.folded().contains(&text));
        found.extend(persons.flat_map(|person| person.workspaces.iter().copied()));
        found.into_iter().filter(|id| after.is_none_or(|after| *id > after)).take(limit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{PasswordHash, PeopleFact};
    use super::*;
    use crate::domain::fact::WorkspaceCreated;
    use crate::domain::ids::PersonId;
    use crate::domain::time::UnixMillis;

    #[test]
    fn a_workspace_is_found_by_name_address_and_id() {
        let mut people = People::default();
        let at = UnixMillis(0);
        let person = PersonId::from_bits(1);
        let email = "Ann@Example.com".parse().unwrap();
        people.apply(&PeopleFact::Registered { person, at, email, password: PasswordHash(String::new()) });
        people.apply(&PeopleFact::Verified { person, at });
        for (n, name, owner) in [(1, "Acme", "ann@example.com"), (2, "Other", "ben@example.com"), (3, "acme 2", "x")] {
            let (workspace, owner_email) = (WorkspaceId::from_bits(n), owner.to_owned());
            let created = WorkspaceCreated { workspace, at, name: name.to_owned(), owner_email, email_verified: false };
            people.note_workspace(&created);
        }
        let find = |text: &str| people.find_workspaces(text, None, 10);
        let ids = |ids: &[u128]| ids.iter().copied().map(WorkspaceId::from_bits).collect::<Vec<_>>();
        assert_eq!(find(" ACME "), ids(&[1, 3]));
        assert_eq!((find("ann@"), find("BEN@example.com")), (ids(&[1]), ids(&[2])));
        assert_eq!(find(&WorkspaceId::from_bits(2).to_string()), ids(&[2]));
        assert_eq!((find("nobody"), find(&WorkspaceId::from_bits(9).to_string())), (vec![], vec![]));
        assert_eq!(find(""), ids(&[1, 2, 3]));
        assert_eq!(people.find_workspaces("", Some(WorkspaceId::from_bits(1)), 1), ids(&[2]));
    }
}
