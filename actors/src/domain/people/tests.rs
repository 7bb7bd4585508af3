//! People from outside: what each decision allows, and what no sequence of decisions may break.

use proptest::prelude::*;

use super::*;
use crate::domain::fact::WorkspaceCreated;
use crate::domain::ids::{PersonId, SessionId};

const HOUR: i64 = 3_600_000;
const START: UnixMillis = UnixMillis(1_790_000_000_000);

fn email(text: &str) -> Email {
    text.parse().unwrap()
}

fn hash(text: &str) -> PasswordHash {
    PasswordHash(text.to_owned())
}

fn link(n: u128) -> LinkId {
    LinkId::from_bits(n)
}

/// Decides, then applies. A macro, since the decision borrows what is changed.
macro_rules! note {
    ($people:expr, $decided:expr) => {{
        let decided = $decided;
        note($people, decided)
    }};
}

/// Applies facts as a replay does: from their JSON.
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

fn registration(address: &str, n: u128) -> Registration {
    Registration {
        email: email(address),
        password: hash("first"),
        person: PersonId::from_bits(n),
        link: link(n),
        workspace: WorkspaceId::from_bits(n),
        workspace_name: "Own".to_owned(),
    }
}

/// A person with number `n`, whose address is confirmed.
fn person(people: &mut People, n: u128) -> PersonId {
    note!(people, people.register(registration(&format!("p{n}@example.com"), n), START));
    note!(people, people.verify(link(n), START).unwrap());
    PersonId::from_bits(n)
}

fn new_session(n: u8) -> NewSession {
    NewSession {
        session: SessionId::from_bits(n.into()),
        digest: TokenDigest([n; 32]),
        address: "203.0.113.0/24".to_owned(),
        client: "Firefox on Linux".to_owned(),
        previous: None,
    }
}

fn sign_in(people: &mut People, person: PersonId, n: u8, at: UnixMillis) -> Vec<Letter> {
    note!(people, people.open_session(person, &hash("first"), new_session(n), at).unwrap())
}

fn holds(people: &People, n: u8, at: UnixMillis) -> bool {
    people.session(&TokenDigest([n; 32]), at).is_some()
}

#[test]
fn signing_up_opens_a_workspace_of_ones_own_and_a_known_address_changes_nothing() {
    let mut people = People::default();
    let letters = note!(&mut people, people.register(registration("Ann@Example.com", 1), START));
    assert!(matches!(&letters[..], [Letter::Verify { to, .. }] if to.as_str() == "Ann@example.com"));
    assert_eq!(people.workspaces(PersonId::from_bits(1)), [(WorkspaceId::from_bits(1), Role::Owner)]);
    let before = people.clone();
    let again = people.register(registration("ANN@example.com", 2), START);
    assert!(
        again.facts.is_empty()
            && matches!(&again.letters[..], [Letter::AccountExists { to }] if to.as_str() == "Ann@example.com")
    );
    note!(&mut people, again);
    assert_eq!(people, before);
}

#[test]
fn a_workspace_that_was_opened_for_an_address_belongs_to_whoever_confirms_it() {
    let mut people = People::default();
    let created = |n: u128| WorkspaceCreated {
        workspace: WorkspaceId::from_bits(n),
        at: START,
        name: "Opened".to_owned(),
        owner_email: "P1@example.com".to_owned(),
        email_verified: false,
    };
    people.note_workspace(&created(70));
    note!(&mut people, people.register(registration("p1@example.com", 1), START));
    assert_eq!(people.role(WorkspaceId::from_bits(70), PersonId::from_bits(1)), None, "anybody can sign up");
    note!(&mut people, people.verify(link(1), START).unwrap());
    people.note_workspace(&created(71));
    assert_eq!(people.owned(PersonId::from_bits(1)), [1, 70, 71].map(WorkspaceId::from_bits));
}

#[test]
fn links_work_once_for_what_they_are_and_not_after_their_time() {
    let mut people = People::default();
    note!(&mut people, people.register(registration("p1@example.com", 1), START));
    let late = START.plus_millis(VERIFY_LINK_LIVES);
    assert_eq!(people.verify(link(1), late), Err(LinkRefusal));
    assert_eq!(people.finish_reset(link(1), hash("new"), START), Err(LinkRefusal), "a link of another kind");
    assert!(people.verify(link(1), UnixMillis(late.0 - 1)).is_ok());
    note!(&mut people, people.verify(link(1), START).unwrap());
    assert_eq!(people.verify(link(1), START), Err(LinkRefusal), "used");

    note!(&mut people, people.begin_reset(&email("p1@example.com"), link(2), START));
    note!(&mut people, people.begin_reset(&email("p1@example.com"), link(3), START));
    assert_eq!(people.resets(link(2), START.plus_millis(RESET_LINK_LIVES)), Err(LinkRefusal));
    note!(&mut people, people.finish_reset(link(2), hash("new"), START).unwrap());
    assert_eq!(people.resets(link(3), START), Err(LinkRefusal), "another one from before the change");
    assert_eq!(people.begin_reset(&email("nobody@example.com"), link(4), START), Decided::default());
}

#[test]
fn a_session_is_over_after_twelve_idle_hours_and_after_fourteen_days() {
    let mut people = People::default();
    let ann = person(&mut people, 1);
    sign_in(&mut people, ann, 7, START);
    let at = |millis: i64| START.plus_millis(millis);
    assert!(holds(&people, 7, at(IDLE_LIFE - 1)) && !holds(&people, 7, at(IDLE_LIFE)));
    let seven = SessionId::from_bits(7);
    assert!(people.touch(seven, at(HOUR - 1)).facts.is_empty(), "noted at most once an hour");
    let mut now = 0;
    while now + HOUR < ABSOLUTE_LIFE {
        now += HOUR;
        assert_eq!(note!(&mut people, people.touch(seven, at(now))), []);
        assert!(holds(&people, 7, at(now)));
    }
    assert!(holds(&people, 7, at(ABSOLUTE_LIFE - 1)) && !holds(&people, 7, at(ABSOLUTE_LIFE)));
    assert!(people.touch(seven, at(ABSOLUTE_LIFE)).facts.is_empty());
}

#[test]
fn a_sign_in_ends_what_the_browser_had_and_somewhere_new_is_told() {
    let mut people = People::default();
    let ann = person(&mut people, 1);
    assert_eq!(sign_in(&mut people, ann, 1, START), [], "the first is no news");
    let again = NewSession { previous: Some(SessionId::from_bits(1)), ..new_session(2) };
    let letters = note!(&mut people, people.open_session(ann, &hash("first"), again, START).unwrap());
    assert_eq!(letters, []);
    assert!(!holds(&people, 1, START) && holds(&people, 2, START));
    let elsewhere = NewSession { client: "Chrome on Windows".to_owned(), ..new_session(3) };
    let letters = note!(&mut people, people.open_session(ann, &hash("first"), elsewhere, START).unwrap());
    assert!(matches!(&letters[..], [Letter::NewSignIn { .. }]), "{letters:?}");
    assert_eq!(people.open_session(ann, &hash("old"), new_session(4), START), None, "changed while it was compared");
}

#[test]
fn a_new_password_ends_sessions_and_nobody_ends_those_of_others() {
    let mut people = People::default();
    let (ann, ben) = (person(&mut people, 1), person(&mut people, 2));
    for n in 1..=3 {
        sign_in(&mut people, ann, n, START);
    }
    sign_in(&mut people, ben, 4, START);
    assert!(people.end_session(ben, SessionId::from_bits(1), START).facts.is_empty());
    note!(&mut people, people.end_session(ann, SessionId::from_bits(1), START));
    let new = NewPassword { password: hash("first"), session: Some(SessionId::from_bits(2)) };
    note!(&mut people, people.change_password(ann, &hash("first"), new, START).unwrap());
    assert_eq!([1, 2, 3, 4].map(|n| holds(&people, n, START)), [false, true, false, true]);
    note!(&mut people, people.begin_reset(&email("p1@example.com"), link(9), START));
    note!(&mut people, people.finish_reset(link(9), hash("new"), START).unwrap());
    assert_eq!([2, 4].map(|n| holds(&people, n, START)), [false, true]);
}

#[test]
fn one_person_has_so_many_sessions_and_no_more() {
    let mut people = People::default();
    let ann = person(&mut people, 1);
    for n in 0..=u8::try_from(SESSIONS_MAX).unwrap() {
        sign_in(&mut people, ann, n, START);
    }
    assert_eq!(people.sessions(ann, START).len(), SESSIONS_MAX);
    assert!(!holds(&people, 0, START) && holds(&people, 1, START), "the oldest made room");
}

#[test]
fn an_invitation_is_for_one_address_and_holds_while_its_inviter_is_an_owner() {
    let mut people = People::default();
    let (ann, ben, cay) = (person(&mut people, 1), person(&mut people, 2), person(&mut people, 3));
    let own = WorkspaceId::from_bits(1);
    let invite =
        |people: &People, by, address: &str, role, n| people.invite(own, by, email(address), role, link(n), START);
    assert_eq!(invite(&people, ben, "p3@example.com", Role::Owner, 50), Err(MemberRefusal::NotAllowed));
    assert_eq!(invite(&people, ann, "P1@example.com", Role::Owner, 50), Err(MemberRefusal::AlreadyMember));
    let decided = invite(&people, ann, "P2@Example.com", Role::Owner, 51).unwrap();
    note!(&mut people, decided);
    assert!(people.accept(link(51), cay, START).is_err(), "somebody else");
    assert!(people.verify(link(51), START).is_err() && people.resets(link(51), START).is_err());
    let (workspace, decided) = people.accept(link(51), ben, START).unwrap();
    note!(&mut people, decided);
    assert_eq!((workspace, people.role(own, ben)), (own, Some(Role::Owner)));
    assert!(people.accept(link(51), ben, START).is_err(), "used");

    let decided = invite(&people, ann, "p3@example.com", Role::Viewer, 52).unwrap();
    note!(&mut people, decided);
    note!(&mut people, people.change_role(own, ben, ann, Role::Viewer, START).unwrap());
    assert_eq!(people.accept(link(52), cay, START).unwrap_err(), LinkRefusal, "its inviter is no owner any more");
    note!(&mut people, people.withdraw(own, ben, link(52), START).unwrap());
    assert_eq!(people.withdraw(own, ben, link(52), START), Err(MemberRefusal::Unknown));
    for n in 0..INVITATIONS_MAX {
        let decided = invite(&people, ben, &format!("new{n}@example.com"), Role::Viewer, 100 + n as u128).unwrap();
        note!(&mut people, decided);
    }
    assert_eq!(invite(&people, ben, "one.more@example.com", Role::Viewer, 200), Err(MemberRefusal::TooMany));
    assert!(invite(&people, ben, "NEW0@example.com", Role::Viewer, 201).is_ok(), "replaces the earlier one");
}

#[derive(Clone, Debug)]
enum Step {
    Invite(u128, u128, usize),
    Accept(u128),
    Role(u128, u128, usize),
    Remove(u128, u128),
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 1_u128..=4;
    prop_oneof![
        (who(), who(), 0_usize..4).prop_map(|(by, of, role)| Step::Invite(by, of, role)),
        (0_u128..40).prop_map(Step::Accept),
        (who(), who(), 0_usize..4).prop_map(|(by, of, role)| Step::Role(by, of, role)),
        (who(), who()).prop_map(|(by, of)| Step::Remove(by, of)),
    ]
}

proptest! {
    #[test]
    fn a_workspace_always_has_an_owner_and_only_owners_change_who_belongs_to_it(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut people = People::default();
        for n in 1..=4 {
            person(&mut people, n);
        }
        let own = WorkspaceId::from_bits(1);
        let who = PersonId::from_bits;
        for (n, step) in steps.into_iter().enumerate() {
            let before = people.clone();
            let (by, decided) = match step {
                Step::Invite(by, of, role) => {
                    let (id, to) = (link(1_000 + n as u128), email(&format!("p{of}@example.com")));
                    (Some(by), people.invite(own, who(by), to, Role::ALL[role], id, START).ok())
                }
                Step::Accept(n) => {
                    let accepted = (1..=4).find_map(|of| people.accept(link(1_000 + n), who(of), START).ok());
                    (None, accepted.map(|(_, decided)| decided))
                }
                Step::Role(by, of, role) => {
                    (Some(by), people.change_role(own, who(by), who(of), Role::ALL[role], START).ok())
                }
                Step::Remove(by, of) if by == of => (None, people.remove(own, who(by), who(of), START).ok()),
                Step::Remove(by, of) => (Some(by), people.remove(own, who(by), who(of), START).ok()),
            };
            let allowed = by.is_none_or(|by| before.role(own, who(by)) == Some(Role::Owner));
            prop_assert!(allowed || decided.is_none(), "somebody who is no owner decided");
            note!(&mut people, decided.unwrap_or_default());
            prop_assert!(people.members(own).iter().any(|member| member.role == Role::Owner));
            for member in people.members(own) {
                prop_assert!(people.workspaces(member.person).contains(&(own, member.role)));
            }
        }
    }
}
