//! A log with a history, its export, and what was signed over it.

use std::path::{Path, PathBuf};

use chrysalis::evidence::export::{Asked, settle, to_file};
use chrysalis::evidence::finding::Fault;
use chrysalis::evidence::frame::{Filter, Header};
use chrysalis::evidence::line::Line;
use chrysalis::evidence::output::Tally;
use chrysalis::evidence::verify::{Question, Report, verify};
use chrysalis::log::record::Fields;
use chrysalis::proof::note::{Signer, VerifyingKey};
use chrysalis::proof::tree::Range;
use tempfile::TempDir;

use crate::conformance::history::History;
use crate::conformance::store::Sqlite;
use crate::conformance::world::{World, everything};

pub struct Exported {
    folder: TempDir,
    pub world: World,
    pub signer: Signer,
    pub leaves: Vec<[u8; 32]>,
    /// Header, events, footer; without their ends.
    pub lines: Vec<String>,
    _store: Sqlite,
}

impl Exported {
    /// Of what came of so many things that happened.
    pub async fn of(seed: u64, steps: usize) -> Self {
        let (store, folder) = (Sqlite::fresh(), tempfile::tempdir().unwrap());
        let history = History::lived(&store, seed, steps).await;
        let world = history.world;
        let leaves: Vec<_> = everything(world.log.as_ref()).await.iter().map(|event| event.leaf()).collect();
        let signer = Signer::of(&world.keyring).unwrap();
        let mut exported = Self { folder, world, signer, leaves, lines: Vec::new(), _store: store };
        let path = exported.path("export.jsonl");
        to_file(exported.world.log.clone(), exported.header().await, &path, false).await.unwrap();
        exported.lines = std::fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
        exported
    }

    /// Of all of it, with a checkpoint over all of it.
    pub async fn header(&self) -> Header {
        let size = self.leaves.len() as u64;
        let asked = Asked { to: Some(size), ..Asked::default() };
        let mut header = settle(self.world.log.as_ref(), &asked).await.unwrap();
        header.checkpoint = Some(self.note(size));
        header
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn text(&self) -> Vec<u8> {
        whole(&self.lines)
    }

    /// What the log signed when it had so many events.
    pub fn note(&self, size: u64) -> String {
        self.signer.checkpoint(size, &Range::of(&self.leaves[..size as usize]).root())
    }

    pub fn checkpoint(&self, size: u64) -> (String, String) {
        (format!("{size}.note"), self.note(size))
    }

    pub fn keys(&self) -> Vec<VerifyingKey> {
        self.signer.keys().cloned().collect()
    }

    pub fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn question(&self, export: &Path) -> Question {
        Question { exports: vec![export.to_owned()], keys: self.keys(), ..Question::default() }
    }

    /// By whoever has the log's keys.
    pub fn verified(&self, bytes: &[u8]) -> Report {
        verify(&self.question(&self.put("verified", bytes))).unwrap()
    }

    pub fn verified_by(&self, bytes: &[u8], checkpoints: Vec<(String, String)>) -> Report {
        verify(&Question { checkpoints, ..self.question(&self.put("verified", bytes)) }).unwrap()
    }

    /// By whoever has nothing but the file.
    pub fn verified_alone(&self, bytes: &[u8]) -> Report {
        verify(&Question { keys: Vec::new(), ..self.question(&self.put("verified", bytes)) }).unwrap()
    }

    /// What somebody makes of it who has the program, and not the log's keys: other events, and whatever follows from them
    /// computed anew. An event that is not wanted is left out.
    pub fn forged(&self, edit: impl for<'e> Fn(&mut Fields<'e>) -> bool) -> Vec<String> {
        let (mut events, mut leaves, mut again) = (Vec::new(), Vec::new(), Vec::new());
        for text in &self.lines[1..self.lines.len() - 1] {
            let line = Line::read(text, &mut again).unwrap();
            let mut fields = line.fields();
            if edit(&mut fields) {
                let mut out = Vec::new();
                Line::of(&fields, fields.leaf()).write(&mut out).unwrap();
                events.push(String::from_utf8(out).unwrap());
                leaves.push((fields.position, fields.leaf()));
            }
        }
        let note = Header::read(&self.lines[0]).unwrap().checkpoint;
        let header = Header::new(1, leaves.len() as u64, Filter::default(), note);
        let mut tally = Tally::of(&header);
        leaves.iter().for_each(|(position, leaf)| tally.take(*position, *leaf));
        [vec![header.line()], events, vec![tally.footer().line()]].concat()
    }
}

pub fn whole(lines: &[String]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect()
}

pub fn faults(report: &Report) -> Vec<(u64, &Fault)> {
    report.findings.iter().map(|found| (found.line, &found.fault)).collect()
}
