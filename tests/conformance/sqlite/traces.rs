//! The file itself, read as a thief reads it: nothing of whoever was erased stands in it, not even what nobody could open.

use chrysalis::keys::SealKind;
use chrysalis::log::cqrs::Ask;
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::event::DeletionReason;
use chrysalis_domain::value::Change;

use crate::conformance::run;
use crate::conformance::store::Sqlite;
use crate::conformance::world::{Guest, World};

/// The file, and what is written ahead of it.
fn files(store: &Sqlite) -> Vec<u8> {
    let ahead = store.path().with_file_name(format!("{}-wal", store.path().file_name().unwrap().to_str().unwrap()));
    let mut all = std::fs::read(store.path()).unwrap();
    all.extend(std::fs::read(ahead).unwrap_or_default());
    all
}

fn stands(files: &[u8], bytes: &[u8]) -> bool {
    memchr::memmem::find(files, bytes).is_some()
}

/// A member with a long name, and the ciphertexts of theirs.
async fn member(world: &World) -> (Guest, Vec<Vec<u8>>) {
    let guest = world.arrival().await;
    let address = format!("{}@example.com", guest.user).to_lowercase();
    let upgrade = world.upgrade(guest.user, &guest.person, guest.session, &address, false);
    let mut sealed = upgrade.sealed.clone();
    world.execute(upgrade).await.unwrap();
    for length in [10, 500] {
        let name = world.seal(&guest.person, SealKind::Name, &"x".repeat(length));
        let command =
            UserCommand::UpdateProfile { name: Change::Set(name.id), image: Change::Kept, metadata: Change::Kept };
        world.execute(Ask { sealed: vec![name.clone()], ..world.ask(guest.user, command) }).await.unwrap();
        sealed.push(name);
    }
    let mut bytes: Vec<_> = sealed.into_iter().map(|record| record.ciphertext).collect();
    bytes.push(guest.person.key.wrapped.clone());
    (guest, bytes)
}

#[test]
fn neither_a_key_nor_a_ciphertext_is_left_in_the_file() {
    run(async {
        let store = Sqlite::fresh();
        let world = World::on(&store).await;
        let mut all = Vec::new();
        for _ in 0..200 {
            all.push(member(&world).await);
        }
        let (_, bytes) = &all[0];
        assert!(bytes.iter().all(|bytes| stands(&files(&store), bytes)), "looked for in the wrong place");
        let (gone, stay) = all.split_at(100);
        for (guest, _) in gone {
            let command = UserCommand::DeleteUser { reason: DeletionReason::Requested, only_if_guest: false };
            world.execute(world.ask(guest.user, command)).await.unwrap();
        }
        world.log.leave_no_traces().await.unwrap();
        let files = files(&store);
        let left: usize = gone.iter().flat_map(|(_, bytes)| bytes).filter(|bytes| stands(&files, bytes)).count();
        assert_eq!(left, 0, "of {}", gone.iter().map(|(_, bytes)| bytes.len()).sum::<usize>());
        // Of a name that was changed the record stands, and the key of whoever is there.
        assert!(stay.iter().flat_map(|(_, bytes)| bytes).all(|bytes| stands(&files, bytes)));
    });
}
