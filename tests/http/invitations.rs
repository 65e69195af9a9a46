//! Invitations: made by those who may, told by mail, followed by whoever has proven the address and by nobody else
//! (CONTRACT 6).

use serde_json::{Value, json};

use crate::support::{A_MILLISECOND, App, Client, KEY, PASSWORD, days, hours, seconds};

const OWNER: &str = "olga@example.com";
const JANE: &str = "jane@example.com";
const EVE: &str = "eve@example.com";

const NOT_YOURS: &str = "YOU_ARE_NOT_THE_RECIPIENT_OF_THE_INVITATION";
const UNPROVEN: &str = "EMAIL_VERIFICATION_REQUIRED_BEFORE_ACCEPTING_OR_REJECTING_INVITATION";
const UNPROVEN_TO_LOOK: &str = "EMAIL_VERIFICATION_REQUIRED_FOR_INVITATION";

async fn app() -> App {
    App::with(&[("dev", "on"), KEY]).await
}

/// Opens the last verification link of so many mails, or of as many as it takes.
async fn prove(app: &App, browser: &Client, email: &str, mut mails: usize) {
    let link = loop {
        let sent = app.mails(email, mails).await;
        match sent.iter().rfind(|mail| mail["kind"] == "verify-email") {
            Some(link) => break link["token"].as_str().unwrap().to_owned(),
            None => mails = sent.len() + 1,
        }
    };
    browser.get(&format!("/verify-email?token={link}")).await.ok();
}

/// A member who has proven the address.
async fn member(app: &App, email: &str) -> Client {
    let browser = app.browser();
    browser.sign_up(email).await;
    prove(app, &browser, email, 1).await;
    browser
}

/// Its owner, and the organization.
async fn acme(app: &App) -> (Client, Value) {
    let owner = member(app, OWNER).await;
    let made = owner.post("/organization/create", &json!({ "name": "Acme Secret", "slug": "acme" })).await.ok();
    (owner, made["id"].clone())
}

async fn invite(inviter: &Client, email: &str) -> Value {
    inviter.post("/organization/invite-member", &json!({ "email": email, "role": "member" })).await.ok()
}

fn named(invitation: &Value) -> Value {
    json!({ "invitationId": invitation["id"] })
}

fn get(invitation: &Value) -> String {
    format!("/organization/get-invitation?id={}", invitation["id"].as_str().unwrap())
}

/// Adds somebody by key; answers the user's id.
async fn add(app: &App, organization: &Value, user: &Client, role: &str) -> Value {
    let id = user.session().await["user"]["id"].clone();
    let add = json!({ "organizationId": organization, "userId": id, "role": role });
    app.operator().post("/organization/add-member", &add).await.ok();
    id
}

#[tokio::test]
async fn a_guest_follows_an_invitation_once_the_address_is_proven() {
    let app = app().await;
    let (owner, organization) = acme(&app).await;
    let form = json!({ "email": " Jane@Example.com", "role": ["member", "admin"], "organizationId": organization });
    let invitation = owner.post("/organization/invite-member", &form).await.ok();
    let inviter = owner.session().await["user"]["id"].clone();
    for (field, value) in [
        ("email", json!(JANE)),
        ("role", json!("admin")),
        ("status", json!("pending")),
        ("organizationId", organization.clone()),
        ("inviterId", inviter),
        ("createdAt", app.date(seconds(0))),
        ("expiresAt", app.date(days(7))),
    ] {
        assert_eq!(invitation[field], value, "{field}");
    }
    let mail = app.mail(JANE).await;
    let link = format!("{}/accept-invitation/{}", app.origin(), invitation["id"].as_str().unwrap());
    assert_eq!((&mail["kind"], &mail["url"], &mail["token"]), (&json!("invitation"), &json!(link), &Value::Null));

    // A guest, and one who only says that the address is theirs.
    let browser = app.browser();
    let guest = browser.arrive().await;
    for upgraded in [false, true] {
        if upgraded {
            browser.upgrade(JANE).await;
        }
        browser.get(&get(&invitation)).await.refused(403, UNPROVEN_TO_LOOK);
        browser.get("/organization/list-user-invitations").await.refused(403, UNPROVEN_TO_LOOK);
        browser.post("/organization/accept-invitation", &named(&invitation)).await.refused(403, UNPROVEN);
        browser.post("/organization/reject-invitation", &named(&invitation)).await.refused(403, UNPROVEN);
    }
    prove(&app, &browser, JANE, 2).await;
    let own = browser.get("/organization/list-user-invitations").await.ok();
    assert_eq!((&own[0]["id"], &own[0]["organizationName"]), (&invitation["id"], &json!("Acme Secret")));
    let seen = browser.get(&get(&invitation)).await.ok();
    assert_eq!(
        (&seen["email"], &seen["organizationSlug"], &seen["inviterEmail"]),
        (&json!(JANE), &json!("acme"), &json!(OWNER))
    );
    let accepted = browser.post("/organization/accept-invitation", &named(&invitation)).await.ok();
    let (told, member) = (&accepted["invitation"], &accepted["member"]);
    assert_eq!((&told["status"], &told["email"]), (&json!("accepted"), &json!(JANE)));
    assert_eq!((&member["userId"], &member["role"]), (&guest["user"]["id"], &json!("admin")));
    assert_eq!(browser.session().await["session"]["activeOrganizationId"], organization);
    assert_eq!(owner.get("/organization/list-members").await.ok()["total"], 2);

    let again = browser.post("/organization/accept-invitation", &named(&invitation)).await;
    again.says(409, "INVITATION_ALREADY_ACCEPTED", "Invitation already accepted");
    assert_eq!(browser.get("/organization/list-user-invitations").await.ok(), json!([]));
    let listed = owner.get("/organization/list-invitations").await.ok();
    assert_eq!((&listed[0]["status"], &listed[0]["email"]), (&json!("accepted"), &json!(JANE)));
    assert!(!app.everything().await.contains("jane"), "an address stands nowhere in clear");
}

#[tokio::test]
async fn who_knows_the_link_knows_too_little() {
    let app = app().await;
    let (owner, _) = acme(&app).await;
    let invitation = invite(&owner, JANE).await;
    let eve = member(&app, EVE).await;
    for caller in [&eve, &owner] {
        caller.get(&get(&invitation)).await.refused(403, NOT_YOURS);
        caller.post("/organization/accept-invitation", &named(&invitation)).await.refused(403, NOT_YOURS);
        caller.post("/organization/reject-invitation", &named(&invitation)).await.refused(403, NOT_YOURS);
    }
    let stranger = "USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION";
    eve.post("/organization/cancel-invitation", &named(&invitation)).await.refused(403, stranger);
    // Who holds the address without having proven it stands in nobody's way.
    let squatter = app.browser();
    squatter.sign_up(JANE).await;
    squatter.post("/organization/accept-invitation", &named(&invitation)).await.refused(403, UNPROVEN);
    app.mails(JANE, 2).await;
    squatter.post("/delete-user", &json!({ "password": PASSWORD })).await.ok();
    app.pass(seconds(600));
    let jane = app.browser();
    jane.sign_up(JANE).await;
    prove(&app, &jane, JANE, 3).await;
    jane.post("/organization/accept-invitation", &named(&invitation)).await.ok();
    for nothing in [json!({ "invitationId": "inv_01JM0000000000000000000001" }), json!({ "invitationId": "x" })] {
        jane.post("/organization/accept-invitation", &nothing).await.refused(400, "INVITATION_NOT_FOUND");
    }
    app.program().post("/organization/accept-invitation", &named(&invitation)).await.refused(401, "UNAUTHORIZED");
}

/// SECURITY S23: no guest makes the server send mail to others, nor does anybody who can't be asked about it.
#[tokio::test]
async fn not_everybody_invites() {
    let app = app().await;
    let (owner, organization) = acme(&app).await;
    let form = |role: &str| json!({ "email": JANE, "role": role, "organizationId": organization });
    let (guest, unproven, plain, admin) = (app.browser(), app.browser(), member(&app, EVE).await, app.browser());
    guest.arrive().await;
    unproven.sign_up("una@example.com").await;
    admin.sign_up("ada@example.com").await;
    prove(&app, &admin, "ada@example.com", 1).await;
    for (caller, role) in [(&guest, "owner"), (&unproven, "admin"), (&plain, "member"), (&admin, "admin")] {
        add(&app, &organization, caller, role).await;
    }
    let not = "YOU_ARE_NOT_ALLOWED_TO_INVITE_USERS_TO_THIS_ORGANIZATION";
    for (caller, role, status, code) in [
        (&guest, "member", 400, "USER_IS_ANONYMOUS"),
        (&unproven, "member", 403, "EMAIL_NOT_VERIFIED"),
        (&plain, "member", 403, not),
        (&admin, "owner", 403, "YOU_ARE_NOT_ALLOWED_TO_INVITE_USER_WITH_THIS_ROLE"),
        (&admin, "super_admin", 403, "YOU_ARE_NOT_ALLOWED_TO_INVITE_USER_WITH_THIS_ROLE"),
        (&admin, "king", 400, "ROLE_NOT_FOUND"),
    ] {
        caller.post("/organization/invite-member", &form(role)).await.refused(status, code);
    }
    let nobody = json!({ "email": "nonsense", "role": "member" });
    owner.post("/organization/invite-member", &nobody).await.refused(400, "VALIDATION_ERROR");
    let member = json!({ "email": EVE, "role": "member" });
    let already = "USER_IS_ALREADY_A_MEMBER_OF_THIS_ORGANIZATION";
    owner.post("/organization/invite-member", &member).await.refused(400, already);
    plain.get("/organization/list-invitations").await.refused(400, "NO_ACTIVE_ORGANIZATION");
    let path = format!("/organization/list-invitations?organizationId={}", organization.as_str().unwrap());
    plain.get(&path).await.refused(403, "YOU_ARE_NOT_ALLOWED_TO_LIST_INVITATIONS");
    let path = format!("/organization/get-full-organization?organizationId={}", organization.as_str().unwrap());

    let owning = owner.post("/organization/invite-member", &form("owner")).await.ok();
    assert_eq!(admin.get(&path).await.ok()["invitations"], json!([]), "of owners to be only owners know");
    assert_eq!(owner.get(&path).await.ok()["invitations"][0]["id"], owning["id"]);
    assert_eq!(plain.get(&path).await.ok()["invitations"], json!([]));
    let cancel = "YOU_ARE_NOT_ALLOWED_TO_CANCEL_THIS_INVITATION";
    for caller in [&admin, &plain] {
        caller.post("/organization/cancel-invitation", &named(&owning)).await.refused(403, cancel);
    }
    assert_eq!(app.types().await.iter().filter(|event| *event == "InvitationCreated").count(), 1);
}

#[tokio::test]
async fn an_address_is_invited_once_and_told_again_where_that_is_asked() {
    let app = app().await;
    let (owner, _) = acme(&app).await;
    let first = invite(&owner, JANE).await;
    let form = json!({ "email": JANE, "role": "admin" });
    let already = "USER_IS_ALREADY_INVITED_TO_THIS_ORGANIZATION";
    owner.post("/organization/invite-member", &form).await.refused(400, already);
    app.pass(hours(2));
    let again = json!({ "email": JANE, "role": "admin", "resend": true });
    let second = owner.post("/organization/invite-member", &again).await.ok();
    assert_eq!((&second["id"], &second["role"]), (&first["id"], &json!("member")), "it is the same invitation");
    assert_eq!(second["expiresAt"], app.date(days(7)));
    assert_eq!(app.mails(JANE, 2).await[1]["url"], app.mails(JANE, 2).await[0]["url"]);

    // An address has its share of mails; the invitation stands all the same.
    for _ in 0..5 {
        owner.post("/organization/invite-member", &again).await.ok();
    }
    app.head().await;
    assert_eq!(app.mails(JANE, 4).await.len(), 4);
}

#[tokio::test]
async fn twenty_an_hour() {
    let app = app().await;
    let (owner, organization) = acme(&app).await;
    for number in 0..20 {
        invite(&owner, &format!("p{number}@example.com")).await;
    }
    let one_more = json!({ "email": JANE, "role": "member", "organizationId": organization });
    owner.post("/organization/invite-member", &one_more).await.refused(429, "RATE_LIMITED");
    let made = app.operator().post("/organization/invite-member", &one_more).await.ok();
    assert_eq!(made["inviterId"], Value::Null, "a key invites as the app likes");
    app.pass(hours(1));
    invite(&owner, EVE).await;
}

#[tokio::test]
async fn an_invitation_ends_once() {
    let app = app().await;
    let (owner, _) = acme(&app).await;
    let jane = member(&app, JANE).await;
    let answer = async |path: &str, invitation: &Value| {
        jane.post(&format!("/organization/{path}-invitation"), &named(invitation)).await
    };

    let canceled = invite(&owner, JANE).await;
    let told = owner.post("/organization/revoke-invitation", &named(&canceled)).await.ok();
    assert_eq!((&told["status"], &told["email"]), (&json!("canceled"), &json!(JANE)));
    for path in ["accept", "reject"] {
        answer(path, &canceled).await.says(410, "INVITATION_REVOKED", "Invitation revoked");
    }
    jane.get(&get(&canceled)).await.refused(410, "INVITATION_REVOKED");
    owner.post("/organization/cancel-invitation", &named(&canceled)).await.refused(410, "INVITATION_REVOKED");

    app.pass(A_MILLISECOND);
    let rejected = invite(&owner, JANE).await;
    let told = answer("reject", &rejected).await.ok();
    assert_eq!((&told["invitation"]["status"], &told["member"]), (&json!("rejected"), &Value::Null));
    answer("accept", &rejected).await.refused(400, "INVITATION_NOT_FOUND");

    app.pass(A_MILLISECOND);
    let late = invite(&owner, JANE).await;
    app.pass(days(6));
    jane.session().await;
    owner.session().await;
    app.pass(days(1));
    answer("accept", &late).await.says(410, "INVITATION_EXPIRED", "Invitation expired");
    // A moment later it has ended for good, and takes the address along; another can be made.
    app.until("InvitationRevoked", 2).await;
    answer("accept", &late).await.refused(410, "INVITATION_EXPIRED");
    let listed = owner.post("/organization/list-invitations", &json!({})).await.ok();
    let told: Vec<_> = listed.as_array().unwrap().iter().map(|one| (&one["status"], &one["email"])).collect();
    assert_eq!(
        told,
        [(&json!("expired"), &Value::Null), (&json!("rejected"), &Value::Null), (&json!("canceled"), &Value::Null)]
    );
    let another = invite(&owner, JANE).await;
    assert_ne!(another["id"], late["id"]);
    assert_eq!(answer("accept", &another).await.ok()["member"]["role"], "member");
    let pending = owner.get("/organization/list-invitations?status=pending").await.ok();
    assert_eq!(pending, json!([]));
}

#[tokio::test]
async fn who_is_removed_leaves_no_door_behind() {
    let app = app().await;
    let (owner, organization) = acme(&app).await;
    let admin = member(&app, EVE).await;
    let user = add(&app, &organization, &admin, "admin").await;
    let form = json!({ "email": JANE, "role": "admin", "organizationId": organization });
    let invitation = admin.post("/organization/invite-member", &form).await.ok();
    let remove = json!({ "memberIdOrUserId": user, "organizationId": organization });
    owner.post("/organization/remove-member", &remove).await.ok();
    let jane = member(&app, JANE).await;
    jane.post("/organization/accept-invitation", &named(&invitation)).await.refused(410, "INVITATION_REVOKED");
    assert_eq!(jane.get("/organization/list-user-invitations").await.ok(), json!([]));

    let invitation = invite(&owner, JANE).await;
    owner.post("/organization/delete", &json!({ "organizationId": organization })).await.ok();
    jane.post("/organization/accept-invitation", &named(&invitation)).await.refused(400, "INVITATION_NOT_FOUND");
}

/// CONTRACT 2.3: the token of before the upgrade reads by GET, and learns nobody's address.
#[tokio::test]
async fn a_token_of_before_the_upgrade_sees_no_address() {
    let app = app().await;
    let (owner, _) = acme(&app).await;
    let invitation = invite(&owner, JANE).await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    browser.post("/sign-in/magic-link", &json!({ "email": JANE })).await.ok();
    let mails = app.mails(JANE, 2).await;
    let link = mails.iter().find(|mail| mail["kind"] == "magic-link").unwrap();
    browser.get(&format!("/magic-link/verify?token={}", link["token"].as_str().unwrap())).await.ok();
    assert_eq!(browser.get(&get(&invitation)).await.ok()["inviterEmail"], OWNER);
    let old = app.bearer(guest["token"].as_str().unwrap());
    let seen = old.get(&get(&invitation)).await.ok();
    assert_eq!((&seen["id"], &seen["email"], &seen["inviterEmail"]), (&invitation["id"], &Value::Null, &Value::Null));
    assert_eq!(old.get("/organization/list-user-invitations").await.ok()[0]["email"], Value::Null);
    old.post("/organization/list-invitations", &json!({})).await.refused(401, "UNAUTHORIZED");
    old.post("/organization/accept-invitation", &named(&invitation)).await.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn of_many_answers_at_once_one_counts() {
    let app = app().await;
    let (owner, _) = acme(&app).await;
    let jane = member(&app, JANE).await;
    let invitation = invite(&owner, JANE).await;
    let answers = (0..8).map(|number| {
        let path = if number % 2 == 0 { "accept" } else { "reject" };
        let call = jane.post(&format!("/organization/{path}-invitation"), &named(&invitation));
        async move { call.await.status }
    });
    let answers = futures_util::future::join_all(answers).await;
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|status| matches!(status, 200 | 400 | 409)), "{answers:?}");
}
