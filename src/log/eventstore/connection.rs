//! The connection string: what it may say, and what it says where it says nothing else.
//!
//! The client goes on where it is told what it doesn't know, or takes for too little, and some of what it takes it can't go on
//! with. Here each of these is a mistake, told before anything is connected to.

use eventstore::ClientSettings;
use url::form_urlencoded;

use super::certificates::{Wrong, wrong};

/// What the connection string says where it says nothing else. Reads come from the leader, as appends go there: who asks what
/// stands has to be told all of it. And a client waits before its first look for a node as long as between two, which is half
/// a second by itself: one is made here after every failure, so that would be added to each.
const DEFAULTS: [(&str, &str); 2] = [("nodePreference", "leader"), ("discoveryInterval", "50")];

/// What an option may be.
enum Value {
    Switch,
    Choice(&'static [&'static str]),
    /// A whole number, this at least.
    Number(i64),
    /// The same, or -1: off.
    NumberOrOff(i64),
    /// It is sent as a header.
    Plain,
    File,
}

/// Every option that the client knows. It takes the keep-alives for less than they may be where it is told less, and makes no
/// connection by a single attempt.
const OPTIONS: [(&str, Value); 13] = [
    ("tls", Value::Switch),
    ("tlsVerifyCert", Value::Switch),
    ("tlsCaFile", Value::File),
    ("userCertFile", Value::File),
    ("userKeyFile", Value::File),
    // Who else is asked may not have yet what stands.
    ("nodePreference", Value::Choice(&["leader"])),
    ("keepAliveInterval", Value::NumberOrOff(10_000)),
    ("keepAliveTimeout", Value::NumberOrOff(10_000)),
    ("discoveryInterval", Value::Number(0)),
    ("gossipTimeout", Value::Number(1)),
    ("maxDiscoverAttempts", Value::Number(2)),
    ("defaultDeadline", Value::NumberOrOff(0)),
    ("connectionName", Value::Plain),
];

/// Of no effect without TLS.
const OF_TLS: [&str; 3] = ["tlsCaFile", "userCertFile", "userKeyFile"];

/// One thing that is wrong with a connection string, and what to write instead.
pub(crate) struct Mistake {
    pub(crate) problem: String,
    pub(crate) remedy: String,
}

fn mistake(problem: impl Into<String>, remedy: impl Into<String>) -> Mistake {
    Mistake { problem: problem.into(), remedy: remedy.into() }
}

/// Everything that is wrong with a connection string, without what it says of who connects: that may hold a password.
pub(crate) fn mistakes(url: &str) -> Vec<Mistake> {
    let (before, options) = url.split_once('?').unwrap_or((url, ""));
    let (who, hosts) = before.rsplit_once('@').unwrap_or(("", before));
    // Whatever stands where it should not may be a part of a password.
    if url.contains('#') || (who.is_empty() && options.contains('@')) {
        let problem = "the connection string does not read: it has a #, or a ? before an @";
        return vec![mistake(problem, sendable())];
    }
    let mut mistakes = options_of(options);
    if before.trim() != before {
        mistakes.push(mistake("it begins or ends with a blank", "leave that out"));
    }
    if let Some((_, who)) = who.split_once("://") {
        if !is_sendable(who) {
            let problem = "its user name or password has a character that EventStoreDB's client does not send as it is";
            mistakes.push(mistake(problem, sendable()));
        } else if !who.split_once(':').is_some_and(|(name, password)| !name.is_empty() && !password.is_empty()) {
            let problem = "it has a user name or a password, and not both";
            mistakes.push(mistake(problem, "write user:password@ before the hosts, or nothing"));
        }
    }
    if hosts.trim().contains(char::is_whitespace) {
        mistakes.push(mistake("one of its hosts has a blank", "write them with a comma between two, and nothing else"));
    }
    if hosts.contains(",,") || hosts.ends_with(',') {
        mistakes.push(mistake("one of its hosts has no name", "write them with one comma between two"));
    }
    if mistakes.is_empty()
        && let Err(told) = settings(url)
    {
        let remedy = "write esdb://user:password@host:2113, several hosts with commas between them";
        mistakes.push(mistake(format!("the connection string does not read: {told}"), remedy));
    }
    mistakes
}

/// Escapes are sent as they stand, and what would have to be escaped is.
fn is_sendable(who: &str) -> bool {
    who.chars().all(|c| c.is_ascii_alphanumeric() || "-._~!$&*()+:".contains(c)) && who.matches(':').count() < 2
}

fn sendable() -> &'static str {
    "choose a user name and a password of letters, digits and -._~!$&*()+"
}

fn options_of(text: &str) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let given: Vec<(String, String)> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
    let value = |name: &str| given.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    for (at, (name, value)) in given.iter().enumerate() {
        let Some((name, allowed)) = OPTIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
            let known: Vec<_> = OPTIONS.iter().map(|(name, _)| *name).collect();
            let remedy = format!("leave it out, or write one of {}", known.join(", "));
            mistakes.push(mistake(format!("its option {name:?} is none that EventStoreDB's client knows"), remedy));
            continue;
        };
        if given[..at].iter().any(|(before, _)| before.eq_ignore_ascii_case(name)) {
            mistakes.push(mistake(format!("its option {name} is given twice"), "leave out one of them"));
        }
        if value.trim() != value {
            let problem = format!("its option {name} begins or ends with a blank: {value:?}");
            mistakes.push(mistake(problem, "leave that out"));
        } else if !allowed.takes(value) {
            mistakes.push(mistake(format!("its option {name} can't be {value:?}"), allowed.told()));
        }
    }
    if value("tls").is_some_and(|tls| tls == "false") {
        for name in OF_TLS.into_iter().filter(|name| value(name).is_some()) {
            let problem = format!("its option {name} is of no effect with tls=false");
            mistakes.push(mistake(problem, "leave out one of them"));
        }
    } else {
        let named =
            |name: &str| value(name).map(String::as_str).filter(|path| !path.is_empty() && path.trim() == *path);
        for Wrong { option, path, told } in wrong(named("tlsCaFile"), named("userCertFile").zip(named("userKeyFile"))) {
            let problem = format!("its option {option} names {path:?}, which is of no use: {told}");
            mistakes.push(mistake(problem, "name a file in PEM that is there, and that the server may read"));
        }
    }
    if value("userCertFile").is_some() != value("userKeyFile").is_some() {
        mistakes.push(mistake("it has one of the options userCertFile and userKeyFile", "write both, or none"));
    }
    mistakes
}

impl Value {
    fn takes(&self, value: &str) -> bool {
        let number = |least: i64| value.parse::<i64>().is_ok_and(|number| number >= least);
        match self {
            Value::Switch => ["true", "false"].contains(&value),
            Value::Choice(of) => of.iter().any(|one| one.eq_ignore_ascii_case(value)),
            Value::Number(least) => number(*least),
            Value::NumberOrOff(least) => number(*least) || value == "-1",
            Value::Plain => value.chars().all(|c| c.is_ascii_graphic() || c == ' '),
            Value::File => !value.is_empty(),
        }
    }

    fn told(&self) -> String {
        match self {
            Value::Switch => "write true or false".to_owned(),
            Value::Choice(of) => format!("write one of {}", of.join(", ")),
            Value::Number(least) => format!("write a whole number, {least} at least"),
            Value::NumberOrOff(least) => format!("write milliseconds, {least} at least, or -1 for none"),
            Value::Plain => "write letters, digits and signs of ASCII".to_owned(),
            Value::File => "write a path".to_owned(),
        }
    }
}

/// # Errors
/// What is wrong with it, without what it says: it may hold a password.
pub(super) fn settings(url: &str) -> Result<ClientSettings, String> {
    let (mut url, given) = (url.to_owned(), url.to_ascii_lowercase());
    for (name, value) in DEFAULTS {
        if !given.contains(&format!("{}=", name.to_ascii_lowercase())) {
            url += &format!("{}{name}={value}", if url.contains('?') { '&' } else { '?' });
        }
    }
    url.parse::<ClientSettings>().map_err(|error| match error.error() {
        Some(error) => error.to_string(),
        // It may repeat the whole of it.
        None if error.message().contains('@') => "it is none that EventStoreDB's clients read".to_owned(),
        None => error.message().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(options: &str) -> Vec<String> {
        let mistakes = mistakes(&format!("esdb://auth:s3cret@one:2113,two:2113?{options}"));
        mistakes.into_iter().map(|Mistake { problem, remedy }| format!("{problem}; {remedy}")).collect()
    }

    #[test]
    fn what_the_client_takes_is_taken_however_it_is_spelled() {
        for options in [
            "",
            "tls=false",
            "TLS=true&TLSVERIFYCERT=false",
            "nodePreference=Leader&keepAliveInterval=10000&keepAliveTimeout=-1&discoveryInterval=0&gossipTimeout=500",
            "maxDiscoverAttempts=2&defaultDeadline=-1&connectionName=auth%20node",
        ] {
            assert_eq!(told(options), [""; 0], "{options}");
        }
    }

    #[test]
    fn what_the_client_passes_over_is_told_by_name_with_what_is_allowed() {
        for (options, parts) in [
            ("tlsCaFlie=/ca.pem", ["\"tlsCaFlie\"", "tlsCaFile, userCertFile"]),
            ("throwOnAppendFailure=true", ["\"throwOnAppendFailure\"", "leave it out"]),
            ("keepAliveInterval=5000", ["keepAliveInterval can't be \"5000\"", "10000 at least, or -1"]),
            ("keepalivetimeout=0", ["keepAliveTimeout can't be \"0\"", "10000 at least, or -1"]),
            ("keepAliveTimeout=10s", ["keepAliveTimeout can't be \"10s\"", "10000 at least"]),
            ("tls=True", ["tls can't be \"True\"", "true or false"]),
            ("tls=off", ["tls can't be \"off\"", "true or false"]),
            ("nodePreference=primary", ["nodePreference can't be \"primary\"", "one of leader"]),
            ("maxDiscoverAttempts=1", ["maxDiscoverAttempts can't be \"1\"", "2 at least"]),
            ("gossipTimeout=0", ["gossipTimeout can't be \"0\"", "1 at least"]),
            ("connectionName=Gr%C3%BC%C3%9Fe", ["connectionName can't be", "ASCII"]),
            ("tls=true&tls=false", ["tls is given twice", "leave out"]),
            ("tls=false&tlsCaFile=/ca.pem", ["tlsCaFile is of no effect with tls=false", "leave out"]),
            ("userCertFile=/cert.pem", ["userCertFile and userKeyFile", "both, or none"]),
            ("tlsCAFile=/nowhere/ca.pem", ["tlsCaFile names \"/nowhere/ca.pem\"", "in PEM that is there"]),
            ("TLSCAFILE=/etc", ["tlsCaFile names \"/etc\"", "may read"]),
            ("tlsCaFile=/etc/hosts", ["holds no certificate", "in PEM"]),
            (
                "tlsCaFile=/nowhere/ca.pem%20",
                ["tlsCaFile begins or ends with a blank: \"/nowhere/ca.pem \"", "leave that out"],
            ),
            ("gossipTimeout=500+", ["gossipTimeout begins or ends with a blank", "leave that out"]),
            ("connectionName=auth%20", ["connectionName begins or ends with a blank", "leave that out"]),
        ] {
            let told = told(options);
            assert_eq!(told.len(), 1, "{options}: {told:?}");
            assert!(parts.iter().all(|part| told[0].contains(part)), "{options}: {told:?}");
        }
        assert_eq!(told("tls=1&maxDiscoverAttempts=0&nothing").len(), 3, "all at once");
        assert_eq!(told("userCertFile=/nowhere/a&userKeyFile=/nowhere/b&tlsCaFile=/nowhere/c").len(), 3, "each file");
    }

    #[test]
    fn what_would_be_sent_otherwise_is_told_and_not_repeated() {
        for url in [
            "esdb://auth:s3cr%40et@one:2113",
            "esdb://auth:s3cr@et@one:2113",
            "esdb://auth:s3cr/et@one:2113",
            "esdb://auth:s3cr#et@one:2113",
            "esdb://auth:s3cr?et@one:2113",
            "esdb://auth:s3cr?x&s3cr@one:2113",
            "esdb://auth:s3cr:et@one:2113",
        ] {
            let told = mistakes(url);
            assert_eq!(told.len(), 1, "{url}");
            assert!(!told[0].problem.contains("s3cr") && told[0].remedy.contains("letters, digits"), "{url}");
        }
        for half in ["auth@", "auth:@", ":s3cret@", "@"] {
            let told = mistakes(&format!("esdb://{half}one:2113"));
            assert_eq!(told.len(), 1, "{half}");
            assert!(told[0].problem.contains("not both") && told[0].remedy.contains("user:password@"), "{half}");
            assert!(!told[0].problem.contains("s3cret"), "{half}");
        }
        for blank in ["esdb://one:2113, two:2113", "esdb://one :2113,two:2113"] {
            let told = mistakes(blank);
            assert!(told.len() == 1 && told[0].problem.contains("has a blank"), "{blank}");
        }
        assert!(mistakes("esdb://one:2113 ")[0].problem.contains("ends with a blank"));
        assert_eq!(mistakes("esdb://one:2113,,two:2113").len(), 1);
        assert_eq!(mistakes("esdb://one:port").len(), 1);
        assert!(mistakes("esdb+discover://auth:s3cr~et@cluster.internal").is_empty());
    }
}
