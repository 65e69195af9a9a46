//! What is news of a keyring.

use super::*;

const AT: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const MADE: Timestamp = Timestamp::from_millis(1_799_999_000_000);

fn key(purpose: &str, key: u32, retired: bool) -> Stands {
    Stands { purpose: purpose.to_owned(), key, made_at: MADE, retired, first: key == 1 && purpose != "pepper" }
}

fn told(keyring: &mut Keyring, keys: &[Stands]) -> Vec<KeyringEvent> {
    let Ok(events) = keyring.decide(KeyringCommand::Tell { keys: keys.to_vec() }, AT);
    events.iter().for_each(|event| keyring.apply(event));
    events
}

fn added(purpose: &str, key: u32) -> KeyringEvent {
    KeyAdded { purpose: purpose.to_owned(), key, made_at: MADE, at: AT }.into()
}

fn retired(upto: u32) -> KeyringEvent {
    KeysRetired { purpose: "person-kek".to_owned(), upto, at: AT }.into()
}

fn destroyed(upto: u32) -> KeyringEvent {
    KeysDestroyed { purpose: "person-kek".to_owned(), upto, at: AT }.into()
}

#[test]
fn what_came_with_the_installation_is_no_news() {
    let keys = [key("cookie", 1, false), key("person-kek", 1, false)];
    assert_eq!(told(&mut Keyring::default(), &keys), []);
}

#[test]
fn each_change_is_told_once() {
    let mut keyring = Keyring::default();
    let mut keys = vec![key("person-kek", 1, false), key("cookie", 2, false), key("cookie", 1, false)];
    assert_eq!(told(&mut keyring, &keys), [added("cookie", 2)]);
    keys.push(key("person-kek", 2, false));
    assert_eq!(told(&mut keyring, &keys), [added("person-kek", 2)]);
    keys[0].retired = true;
    assert_eq!(told(&mut keyring, &keys), [retired(1)]);
    assert_eq!(told(&mut keyring, &keys), []);
    keys.remove(0);
    assert_eq!(told(&mut keyring, &keys), [destroyed(1)]);
    assert_eq!(told(&mut keyring, &keys), []);
}

#[test]
fn what_was_left_untold_is_told_by_the_next() {
    let keys = [key("person-kek", 2, true), key("person-kek", 3, false), key("pepper", 1, false)];
    let mut keyring = Keyring::default();
    let all = [added("pepper", 1), added("person-kek", 2), added("person-kek", 3), retired(2), destroyed(1)];
    assert_eq!(told(&mut keyring, &keys), all);
    assert_eq!(told(&mut keyring, &keys), []);
}
