//! What mails say, in each language. An operator's folder comes first, what ships with the program second.
//!
//! A template is a file `<language>/<kind>.txt` (a `:` in the kind is written `-`): `Subject: …`, an empty line, the text.
//! It is Jinja, with `app`, `url` and `code` to be filled in. The HTML part is made from the text: a paragraph
//! that is the link becomes a button, one that is the code is set large, and all of it stands in `layout.html`. A file
//! `<language>/<kind>.html` beside the text takes the place of that.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use chrysalis_domain::value::Locale;
use minijinja::{AutoEscape, Environment, Value, context};

use super::Letter;

macro_rules! shipped {
    ($($language:literal: $($kind:literal)*;)*) => {
        &[$($((
            concat!($language, "/", $kind, ".txt"),
            include_str!(concat!("templates/", $language, "/", $kind, ".txt")),
        ),)*)*]
    };
}

const SHIPPED: &[(&str, &str)] = shipped! {
    "en": "verify-email" "confirm-address" "magic-link" "reset-password" "otp-sign-in" "otp-email-verification" "otp-forget-password"
          "password-changed" "reclaimed" "account-linked" "account-unlinked"
          "change-email" "email-changed" "email-change-undone" "email-replaced" "delete-user" "invitation";
    "de": "verify-email" "confirm-address" "magic-link" "reset-password" "otp-sign-in" "otp-email-verification" "otp-forget-password"
          "password-changed" "reclaimed" "account-linked" "account-unlinked"
          "change-email" "email-changed" "email-change-undone" "email-replaced" "delete-user" "invitation";
};
const LAYOUT: (&str, &str) = ("layout.html", include_str!("templates/layout.html"));

#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("{path} can't be read: {source}")]
    Unread { path: PathBuf, source: std::io::Error },
    #[error("{path} is no template: {source}")]
    Broken { path: String, source: minijinja::Error },
    #[error("{path} does not begin with a line \"Subject: …\" and an empty one")]
    NoSubject { path: String },
    #[error("there is no template for mails of the kind {kind}")]
    NoSuchKind { kind: String },
}

/// Every template, read and checked.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    /// What mails call the service.
    app: String,
}

/// A mail, written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// A paragraph of a text, as the layout sets it.
fn paragraph(text: &str, letter: &Letter) -> Value {
    let is = |value: &Option<String>| value.as_deref() == Some(text);
    let kind = match () {
        () if is(&letter.url) => "link",
        () if is(&letter.code) => "code",
        () => "text",
    };
    context! { kind, text }
}

impl Templates {
    /// Reads what ships, and over it an operator's folder.
    ///
    /// # Errors
    /// When a file of the folder is no template: at the start, not when the first mail is due.
    pub fn open(folder: Option<&Path>, app: String) -> Result<Self, TemplateError> {
        let mut sources: HashMap<String, String> =
            SHIPPED.iter().chain([&LAYOUT]).map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        if let Some(folder) = folder {
            read(folder, folder, &mut sources)?;
        }
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(
            |name| {
                if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
            },
        );
        for (path, source) in sources {
            if path.ends_with(".txt") && split(&source).is_none() {
                return Err(TemplateError::NoSubject { path });
            }
            let broken = |source| TemplateError::Broken { path: path.clone(), source };
            environment.add_template_owned(path.clone(), source).map_err(broken)?;
        }
        Ok(Self { environment, app })
    }

    /// The languages there is any template in.
    pub fn languages(&self) -> Vec<Locale> {
        let folders = self.environment.templates().filter_map(|(name, _)| Locale::parse(name.split('/').next()?));
        let languages: BTreeSet<Locale> = folders.collect();
        languages.into_iter().collect()
    }

    pub(super) fn write(&self, letter: &Letter) -> Result<Written, TemplateError> {
        let kind = letter.kind.replace(':', "-");
        let path = |language: Locale, extension: &str| format!("{}/{kind}.{extension}", language.as_str());
        let there = |path: &str| self.environment.get_template(path).ok();
        let language =
            [letter.locale, Locale::ENGLISH].into_iter().find(|language| there(&path(*language, "txt")).is_some());
        let language = language.ok_or_else(|| TemplateError::NoSuchKind { kind: letter.kind.clone() })?;
        let values = context! { app => &self.app, url => &letter.url, code => &letter.code };
        let render = |path: String, values: &Value| {
            let rendered = self.environment.get_template(&path).and_then(|template| template.render(values));
            rendered.map_err(|source| TemplateError::Broken { path, source })
        };
        let whole = render(path(language, "txt"), &values)?;
        let missing = || TemplateError::NoSubject { path: path(language, "txt") };
        let (subject, text) = split(&whole).ok_or_else(missing)?;
        let html = path(language, "html");
        let html = if there(&html).is_some() {
            render(html, &values)?
        } else {
            let paragraphs: Vec<Value> = text.split("\n\n").map(|text| paragraph(text.trim(), letter)).collect();
            let lang = language.as_str();
            render(LAYOUT.0.to_owned(), &context! { app => &self.app, lang, subject, paragraphs })?
        };
        Ok(Written { subject: subject.to_owned(), text: text.to_owned(), html })
    }
}

/// Subject and text.
fn split(source: &str) -> Option<(&str, &str)> {
    let (head, text) = source.split_once("\n\n")?;
    let subject = head.strip_prefix("Subject: ")?.trim();
    (!subject.contains('\n')).then_some((subject, text))
}

fn read(root: &Path, folder: &Path, sources: &mut HashMap<String, String>) -> Result<(), TemplateError> {
    let unread = |path: &Path| {
        let path = path.to_owned();
        move |source| TemplateError::Unread { path, source }
    };
    for entry in std::fs::read_dir(folder).map_err(unread(folder))? {
        let path = entry.map_err(unread(folder))?.path();
        if path.is_dir() && folder == root {
            read(root, &path, sources)?;
        } else if path.extension().is_some_and(|extension| extension == "txt" || extension == "html") {
            let text = std::fs::read_to_string(&path).map_err(unread(&path))?;
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            sources.insert(name, text.replace("\r\n", "\n"));
        }
    }
    Ok(())
}
