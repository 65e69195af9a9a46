//! The double as a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use eventstore::ExpectedRevision as Expected;

use super::{append, case, client_at, event, said, same};

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn it_says_how_it_is_reached_and_does_as_it_is_told() {
    case(async {
        let mut command = Command::new(env!("CARGO_BIN_EXE_eventstore-double"));
        command.args(["--port", "0", "--attended", "--login", "admin:changeit"]);
        let mut process = Process(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
        let mut orders = process.0.stdin.take().unwrap();
        let mut answers = BufReader::new(process.0.stdout.take().unwrap()).lines();
        let url = answers.next().unwrap().unwrap();
        append(&client_at(&url), "a", Expected::NoStream, vec![same(1)]).await.unwrap();
        // What it doesn't know it says; so what came before is done.
        writeln!(orders, "lose 1\ndance").unwrap();
        assert_eq!(answers.next().unwrap().unwrap(), "what is \"dance\"?");
        assert!(append(&client_at(&url), "a", Expected::Exact(0), vec![same(2)]).await.is_err());
        append(&client_at(&url), "a", Expected::Exact(0), vec![same(2)]).await.unwrap();
        append(&client_at(&url), "a", Expected::Exact(1), vec![event("3")]).await.unwrap();
        assert_eq!(said(&client_at(&url), "a").await.unwrap(), ["1", "2", "3"]);
        drop(orders);
        assert!(process.0.wait().unwrap().success());
    });
}
