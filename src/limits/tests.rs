use super::*;

fn limits() -> Limits {
    Limits::new(&LimitsConfig::default(), Seed::new([5; 16]))
}

fn from(address: &str) -> Caller<'static> {
    Caller::at(ClientAddress::Known(address.parse().unwrap()))
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000) + Span::from_secs(secs)
}

fn admitted(limits: &Limits, rule: Rule, caller: Caller<'_>, attempts: usize) -> usize {
    (0..attempts).filter(|_| limits.admit(rule, &caller, at(0)).is_ok()).count()
}

#[test]
fn every_rule_admits_what_its_table_says() {
    for rule in Rule::ALL.into_iter().filter(|rule| *rule != Rule::GuestCreation) {
        let limits = limits();
        let expected = rule.limit() as usize;
        assert_eq!(admitted(&limits, rule, from("192.0.2.1"), 1000), expected, "{}", rule.name());
        assert_eq!(admitted(&limits, rule, from("192.0.2.2"), 1), 1, "another address is another caller");
        let wait = limits.admit(rule, &from("192.0.2.1"), at(0)).unwrap_err().seconds();
        assert!((1..=60).contains(&wait));
        assert!(limits.admit(rule, &from("192.0.2.1"), at(wait as i64)).is_ok());
        let refusals: Vec<_> = limits.refusals().filter(|(_, count)| *count > 0).collect();
        assert_eq!(refusals, [(rule.name(), (1001 - expected) as u64)]);
    }
}

#[test]
fn making_guests_is_counted_elsewhere() {
    assert_eq!(admitted(&limits(), Rule::GuestCreation, from("192.0.2.1"), 1000), 1000);
}

#[test]
fn addresses_of_one_subscriber_are_one_caller() {
    let limits = limits();
    let together = (0..100).filter(|n| {
        let caller = from(&format!("2001:db8::{n:x}"));
        limits.admit(Rule::SignUp, &caller, at(0)).is_ok()
    });
    assert_eq!(together.count(), 30);
    let unknown = Caller::at(ClientAddress::Unknown);
    assert_eq!(admitted(&limits, Rule::SignUp, unknown, 100), 30, "no address, no bypass");
}

#[test]
fn a_whole_site_gets_sixteen_times_as_much_and_no_more() {
    let limits = limits();
    let spread = |net: u32| from(&format!("2001:db8:1:{net:x}::1"));
    let home = (0..256).map(|net| admitted(&limits, Rule::SignIn, spread(net), 30)).sum::<usize>();
    assert_eq!(home, 4 * 30);
    let site = (256..65_536).step_by(256).map(|net| admitted(&limits, Rule::SignIn, spread(net), 30)).sum::<usize>();
    assert_eq!(home + site, 16 * 30);
}

#[test]
fn a_session_is_counted_by_itself_and_guests_by_their_address_too() {
    let limits = limits();
    let member = from("192.0.2.1").with_authority(Authority::Member("ses_m"));
    assert_eq!(admitted(&limits, Rule::Default, member, 1000), 600);
    assert_eq!(admitted(&limits, Rule::Default, from("192.0.2.1"), 1000), 600, "the address is another counter");
    let guests: Vec<String> = (0..10).map(|n| format!("ses_{n}")).collect();
    let guests = guests.iter().map(|id| from("192.0.2.1").with_authority(Authority::Guest(id)));
    assert_eq!(guests.map(|guest| admitted(&limits, Rule::Default, guest, 600)).sum::<usize>(), 3_000);
}

#[test]
fn a_password_is_tried_ten_times_by_a_session_wherever_it_is() {
    let limits = limits();
    let tries = (0..30).filter(|n| {
        let caller = from(&format!("192.0.2.{n}")).with_authority(Authority::Member("ses_1"));
        limits.admit(Rule::Password, &caller, at(0)).is_ok()
    });
    assert_eq!(tries.count(), 10);
    // The address was not charged for what the session refused.
    assert_eq!(admitted(&limits, Rule::Password, from("192.0.2.29"), 30), 10);
}

#[test]
fn keys_are_counted_by_key_and_not_by_address() {
    let limits = limits();
    for id in ["key_1", "key_2"] {
        let caller = from("2001:db8::1").with_authority(Authority::ApiKey(id));
        assert_eq!(admitted(&limits, Rule::Admin, caller, 300), 120);
    }
}

#[test]
fn guesses_made_at_once_cannot_exceed_the_budget() {
    let limits = limits();
    let caller = from("192.0.2.1").with_email("maria@example.com");
    let held: Vec<_> = (0..20).filter_map(|_| limits.reserve(Budget::WrongPassword, &caller, at(0)).ok()).collect();
    assert_eq!(held.len(), 10, "though none is decided yet");
    held.into_iter().for_each(Reservation::refund);
    for _ in 0..50 {
        limits.reserve(Budget::WrongPassword, &caller, at(0)).unwrap().refund();
    }
    for _ in 0..10 {
        drop(limits.reserve(Budget::WrongPassword, &caller, at(0)).unwrap());
    }
    assert_eq!(limits.reserve(Budget::WrongPassword, &caller, at(1)).err().unwrap().seconds(), 599);
}

#[test]
fn a_hundred_wrong_passwords_a_day_and_the_owner_is_not_locked_out() {
    let limits = limits();
    let stranger = from("192.0.2.66").with_email("maria@example.com");
    let mut wrong = 0;
    for attempt in 0..(24 * 60) {
        if let Ok(taken) = limits.reserve(Budget::WrongPassword, &stranger, at(attempt * 60)) {
            taken.keep();
            wrong += 1;
        }
    }
    assert_eq!(wrong, 100);
    let owner = from("198.51.100.7").with_email("maria@example.com");
    let now = at(24 * 3600 - 60);
    assert!(limits.reserve(Budget::password(false), &owner, now).is_err());
    assert!(limits.reserve(Budget::password(true), &owner, now).is_ok());
}

#[test]
fn conflicts_are_counted_by_session_address_and_email() {
    let conflicts = |callers: &mut dyn Iterator<Item = (String, String, String)>| {
        let limits = limits();
        callers
            .filter(|(address, session, email)| {
                let caller = from(address).with_authority(Authority::Guest(session)).with_email(email);
                limits.reserve(Budget::Conflict, &caller, at(0)).map(Reservation::keep).is_ok()
            })
            .count()
    };
    let same = |text: &str| text.to_owned();
    assert_eq!(conflicts(&mut (0..99).map(|n| (format!("192.0.2.{n}"), same("s"), format!("e{n}")))), 5);
    assert_eq!(conflicts(&mut (0..99).map(|n| (same("192.0.2.1"), format!("s{n}"), format!("e{n}")))), 20);
    assert_eq!(conflicts(&mut (0..99).map(|n| (format!("192.0.2.{n}"), format!("s{n}"), same("e")))), 3);
}

#[test]
fn ten_wrong_codes_a_minute_for_an_address() {
    let limits = limits();
    let tries = (0..30).filter(|n| {
        let caller = from(&format!("192.0.2.{n}")).with_email("maria@example.com");
        limits.reserve(Budget::WrongCode, &caller, at(0)).map(Reservation::keep).is_ok()
    });
    assert_eq!(tries.count(), 10);
}

#[test]
fn a_clock_set_back_locks_nobody_out() {
    let limits = limits();
    assert_eq!(admitted(&limits, Rule::SignIn, from("192.0.2.1"), 100), 30);
    assert_eq!(admitted(&limits, Rule::Default, from("192.0.2.1"), 1000), 600);
    let an_hour_ago = |secs: i64| at(secs - 3600);
    assert!(limits.admit(Rule::SignIn, &from("192.0.2.1"), an_hour_ago(0)).is_err());
    assert!(limits.admit(Rule::SignIn, &from("192.0.2.1"), an_hour_ago(60)).is_ok());
    assert!(limits.admit(Rule::Default, &from("192.0.2.1"), an_hour_ago(61)).is_ok());
}

#[test]
fn a_deployment_can_raise_a_limit_or_switch_all_off() {
    let raised: LimitsConfig =
        serde_json::from_str(r#"{"per_minute":{"sign-in":90},"budget_factor":{"conflict":10}}"#).unwrap();
    let limits = Limits::new(&raised, Seed::new([5; 16]));
    assert_eq!(limits.limit(Rule::SignIn), 90);
    assert_eq!(admitted(&limits, Rule::SignIn, from("192.0.2.1"), 200), 90);
    assert_eq!(admitted(&limits, Rule::SignUp, from("192.0.2.1"), 200), 30);

    let off = Limits::new(&LimitsConfig { enabled: false, ..LimitsConfig::default() }, Seed::new([5; 16]));
    for rule in Rule::ALL {
        assert_eq!(admitted(&off, rule, from("192.0.2.1"), 2_000), 2_000);
    }
    assert!((0..100).all(|_| off.reserve(Budget::Conflict, &from("192.0.2.1"), at(0)).map(Reservation::keep).is_ok()));
}
