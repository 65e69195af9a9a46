//! Guests who stay away go by themselves; whoever comes back or becomes a member stays (CONTRACT 2.7).

use chrysalis_domain::Span;

use crate::support::App;

#[tokio::test]
async fn a_guest_who_stays_away_goes_and_the_others_stay() {
    let app = App::with(&[("anonymous.max_age", "2h")]).await;
    let (away, here, member) = (app.browser(), app.browser(), app.browser());
    for browser in [&away, &here, &member] {
        browser.arrive().await;
    }
    member.upgrade("jane@example.com").await;
    app.pass(Span::from_hours(2));
    here.get("/get-session").await.ok();
    app.pass(Span::from_hours(1) + Span::from_secs(1));
    app.until("UserDeleted", 1).await;
    assert!(away.get("/get-session").await.ok().is_null());
    assert!(!here.get("/get-session").await.ok().is_null());
    assert!(!member.get("/get-session").await.ok().is_null());
    assert_eq!(app.types().await.iter().filter(|kind| *kind == "UserDeleted").count(), 1);
}
