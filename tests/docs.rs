//! What the documentation names is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file of the project.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("node_modules") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn functions() -> BTreeSet<String> {
    let mut files = Vec::new();
    for folder in ["src", "domain", "projections", "tests"] {
        sources(&root().join(folder), &mut files);
    }
    let named = |text: String| {
        let names = text
            .split("fn ")
            .skip(1)
            .map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>());
        names.collect::<Vec<_>>()
    };
    files.into_iter().flat_map(|path| named(std::fs::read_to_string(path).unwrap())).collect()
}

/// Words set as code, less those that are split over lines.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Each demand is answered by code and by a test: neither may be renamed behind its back.
#[test]
fn what_the_security_page_points_to_is_there() {
    let page = std::fs::read_to_string(root().join("docs/security.md")).unwrap();
    let functions = functions();
    let is_name = |word: &str| word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_…".contains(c));
    for word in code(&page) {
        if is_name(word) && word.matches('_').count() > 1 {
            let there = match word.strip_suffix('…') {
                Some(beginning) => functions.iter().any(|name| name.starts_with(beginning)),
                None => functions.contains(word),
            };
            assert!(there, "no test and no function is called {word}");
        }
        let is_path = ["src/", "tests/", "domain/", "docs/", "projections/"].iter().any(|top| word.starts_with(top));
        let place = root().join(word);
        assert!(!is_path || place.exists() || place.with_extension("rs").exists(), "there is no {word}");
    }
}
