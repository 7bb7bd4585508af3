//! Members of a workspace: invited, joined, and never anybody else's.

use super::{Browser, PASSWORD, mails, start, token};

#[actix_web::test]
async fn whoever_is_invited_joins_in_their_role_and_may_what_it_says() {
    let (haven, _) = start().await;
    let (ann, ben) = (Browser::new(&haven), Browser::new(&haven));
    ann.join("ann@example.com").await;
    assert_eq!(ann.form("/app/members", &[("email", "ben@example.com"), ("role", "viewer")]).await.status, 303);
    let invitation = token(&haven, "ben@example.com", "invitation");
    let page = ben.get(&format!("/app/invite?token={invitation}")).await.ok();
    assert!(page.text.contains("/app/sign-up?next=/app/invite%3Ftoken%3D"), "{}", page.text);
    let cay = Browser::new(&haven);
    cay.join("cay@example.com").await;
    assert_eq!(cay.form("/app/invite", &[("token", &invitation)]).await.status, 410, "for another address");
    ben.join("ben@example.com").await;
    assert_eq!(ben.form("/app/invite", &[("token", &invitation)]).await.status, 303);
    assert_eq!(ben.form("/app/invite", &[("token", &invitation)]).await.status, 410, "used");
    let members = ben.get("/app/members").await.ok().text;
    assert!(members.contains("ann@example.com") && !members.contains("Invite somebody"));
    let more = ben.form("/app/members", &[("email", "dan@example.com"), ("role", "owner")]).await;
    assert_eq!(more.status, 403, "a viewer invites nobody");
    assert_eq!(mails(&haven, "dan@example.com", "invitation").len(), 0);
    haven.finish().await;
}

#[actix_web::test]
async fn ids_of_another_workspace_are_not_there() {
    let (haven, _) = start().await;
    let (ann, ben) = (Browser::new(&haven), Browser::new(&haven));
    ann.join("ann@example.com").await;
    ben.join("ben@example.com").await;
    let id = |email: &str| {
        let email = email.parse().unwrap();
        haven.server.gateway.core.office(|office| {
            let person = office.people.by_email(&email).unwrap().id;
            (person, office.people.owned(person)[0])
        })
    };
    let ((ann_id, _), (ben_id, ben_workspace)) = (id("ann@example.com"), id("ben@example.com"));
    ben.form("/app/members", &[("email", "cay@example.com"), ("role", "viewer")]).await;
    let now = haven.server.gateway.core.clock.now().wall;
    let invitation = haven.server.gateway.core.office(|office| office.people.invitations(ben_workspace, now)[0].link);
    for (path, fields) in [
        (format!("/app/members/{ben_id}/role"), vec![("role", "viewer")]),
        (format!("/app/members/{ben_id}/remove"), vec![]),
        (format!("/app/members/invitations/{invitation}/withdraw"), vec![]),
        (
            "/app/workspace".to_owned(),
            vec![("workspace", ben_workspace.to_string())]
                .into_iter()
                .map(|(name, value)| (name, &*value.leak()))
                .collect(),
        ),
        ("/app/members/nobody/remove".to_owned(), vec![]),
    ] {
        assert_eq!(ann.form(&path, &fields).await.status, 404, "{path}");
    }
    ann.plant("__Host-lmhaven-workspace", &ben_workspace.to_string());
    let page = ann.get("/app/members").await.ok().text;
    assert!(page.contains("ann@example.com") && !page.contains("ben@example.com"), "a cookie opens no door");
    assert_eq!(ann.form(&format!("/app/members/{ann_id}/remove"), &[]).await.status, 409, "the last owner stays");
    assert_eq!(ann.form(&format!("/app/members/{ann_id}/role"), &[("role", "viewer")]).await.status, 409);
    haven.finish().await;
}

#[actix_web::test]
async fn where_accounts_are_closed_only_the_invited_sign_up() {
    let haven =
        crate::harness::Haven::start_from("", &[("ACCOUNTS__SIGN_UP", "false")], super::Stopped::new().clock()).await;
    let stranger = Browser::new(&haven);
    assert_eq!(stranger.get("/app/sign-up").await.status, 403);
    assert_eq!(stranger.sign_up("ann@example.com").await.status, 403);
    // An account that was made while they were open.
    haven
        .server
        .gateway
        .core
        .office(|office| assert!(office.people.by_email(&"ann@example.com".parse().unwrap()).is_none()));
    let fields = [("email", "ann@example.com"), ("password", PASSWORD), ("next", "/app/invite?token=lnk_0.x")];
    assert_eq!(stranger.form("/app/sign-up", &fields).await.status, 403, "no invitation of ours");
    haven.finish().await;
}
