//! Every key there is: its name, default and meaning, in one table. The environment variable of a key is `CHRYSALIS_` and
//! its name in capitals with `_` for `.`; in the TOML file a dot is a table. `docs/configuration.md` is made from this.
//!
//! A `*` in a name stands for the id of a provider: lower-case letters, digits and `-`, which is `_` in a variable.

/// One key.
pub struct Key {
    pub name: &'static str,
    /// As it would be written; empty for none.
    pub default: &'static str,
    pub about: &'static str,
    /// Not to be shown.
    pub secret: bool,
}

const fn key(name: &'static str, default: &'static str, about: &'static str) -> Key {
    Key { name, default, about, secret: false }
}

const fn secret(name: &'static str, about: &'static str) -> Key {
    Key { name, default: "", about, secret: true }
}

pub const KEYS: &[Key] = &[
    key("listen", "127.0.0.1:3000", "Address and port to listen on."),
    key(
        "base_url",
        "",
        "Public URL as browsers see it, an origin without path. Default: http://localhost and the port listened on.",
    ),
    key("app_url", "", "Where relative callback URLs lead, when the app stands on another origin than this server."),
    key(
        "data_dir",
        "./chrysalis-data",
        "Folder of the embedded store, the secret and the outbox; made with mode 0700.",
    ),
    key(
        "store",
        "",
        "`sqlite:PATH`, or `postgres://user:password@host/database` (several hosts as `host1,host2`: the one that takes writes is used), or `esdb://user:password@host:2113` (with `read_store`). Default: chrysalis.db in the data folder.",
    ),
    key(
        "read_store",
        "",
        "`sqlite:PATH` or `postgres://…`, for a log in EventStoreDB: where its read models are, the sealed records and the keys. Of no effect otherwise.",
    ),
    secret(
        "secret",
        "Root of the keyring: at least 32 characters. Default: made on the first start, kept in the data folder with mode 0600.",
    ),
    key("secret_file", "", "A file that holds the secret, instead of `secret`."),
    secret("secret_previous", "The secret before this one: what it wrapped is wrapped anew at the start."),
    secret(
        "bootstrap_api_key",
        "The first API key, which may do everything: `sk_live_` and at least 32 random characters. Taken only while no key was ever stored; `chrysalis api-key create` makes one without it.",
    ),
    key(
        "admin.emails",
        "",
        "Addresses, separated by commas: whoever holds one administers once it is verified, whatever role they were given. The role stays with the user, also when they change to another address or the list names theirs no more: `/admin/set-role` takes it.",
    ),
    key("admin.roles", "", "Roles that users may have besides `user` and `admin`, separated by commas."),
    key(
        "trusted_origins",
        "",
        "Origins of apps that may call with cookies, separated by commas: `https://app.example.com`, `https://*.example.com`, `myapp://`.",
    ),
    key("trusted_proxies", "", "Networks of proxies whose X-Forwarded-For is believed, as CIDR, separated by commas."),
    key("rate_limits", "on", "`off` admits everything: for tests."),
    key(
        "guests_per_minute",
        "30",
        "Guests that one network (an IPv4 address, an IPv6 /64) may make in any 60 seconds; 0 is unlimited. An IPv6 /56 may make 4 times as many, a /48 16 times, here as in the two below.",
    ),
    key("guests_per_hour", "", "The same in any hour. Default: 20 times `guests_per_minute`."),
    key("guests_per_day", "", "The same in any 24 hours. Default: 100 times `guests_per_minute`."),
    key("service_guests_per_hour", "0", "Guests that all networks together may make in any hour; 0 is unlimited."),
    key("service_guests_per_day", "0", "The same in any 24 hours."),
    key(
        "challenge.kind",
        "off",
        "What somebody has to show before a guest is made for them: `work` (proof of work, built in), `turnstile`, `hcaptcha`, or nothing. Clients have to know of it: see docs/abuse.md.",
    ),
    key(
        "challenge.when",
        "always",
        "Whom it is asked of: `always` everybody, `over-budget` nobody while the service is within its budget of guests.",
    ),
    key(
        "challenge.effort",
        "250",
        "work: thousands of rounds of PBKDF2 that a guest costs on average, up to eight times as many as budgets fill.",
    ),
    key("challenge.site_key", "", "turnstile, hcaptcha: the site key, which browsers are told."),
    secret("challenge.secret", "turnstile, hcaptcha: the secret key."),
    key(
        "challenge.verify_url",
        "",
        "turnstile, hcaptcha: where tokens are checked. Default: the provider's own server; in a private network, see outgoing.allow.",
    ),
    key(
        "origins.keep",
        "30d",
        "How long it is kept, as keyed hashes, which network a guest came from, for finding and disabling waves of bots, and sealed, from which one attempts failed; 0 keeps nothing.",
    ),
    key("dev", "off", "Shows the development outbox at /dev/mail. Refused unless everything is on loopback."),
    key("anonymous.enabled", "on", "Whether guests may be made."),
    key(
        "anonymous.max_age",
        "",
        "Guests whose last activity is this old are removed: 1 hour to 3650 days. Default: none is.",
    ),
    key(
        "anonymous.notice",
        "0s",
        "How long before a guest is removed that is said, as `guest.expiring` in the audit trail, in events and to webhooks; 0 says nothing. A visit takes it back. At most 366 days.",
    ),
    key(
        "anonymous.undo",
        "0s",
        "How long a guest who was removed is only out of use, and can be brought back by `/admin/guests/undo` or `chrysalis guests undo`; 0 deletes at once. At most 366 days.",
    ),
    key(
        "anonymous.settle",
        "1m",
        "How long after a start a node removes no guest by itself: a clock that is wrong at the start is set right until then. At most 1 hour.",
    ),
    key(
        "entry.channels",
        "",
        "Channels that are kept of where a guest comes from, for the conversion figures, with commas between them. Default: any. A bound for figures where strangers may say what they like.",
    ),
    key("entry.campaigns", "", "The same of campaigns."),
    key("entry.referrers", "", "The same of the hosts of pages that guests come from."),
    key("email_password.enabled", "on", "Whether passwords may be used."),
    key("email_password.sign_up", "on", "Whether new members may come by password, upgrades included."),
    key("email_password.auto_sign_in", "on", "Whether a sign-up opens a session."),
    key("email_password.min_length", "8", "Characters a password needs: 8 to 64."),
    key("email_password.max_length", "128", "Characters a password may have: 64 to 256."),
    key(
        "email_password.require_email_verification",
        "off",
        "Password sign-in only after the address was proven; whoever signs up gets the first session with the proof.",
    ),
    key("magic_link.enabled", "on", "Whether links are mailed that sign in."),
    key("email_otp.enabled", "on", "Whether codes are mailed that sign in or prove an address."),
    key("organization.enabled", "on", "Whether users may form organizations."),
    key(
        "organization.invitation_url",
        "/accept-invitation/{id}",
        "Where the mail that tells of an invitation leads: a page of the app's, as a path or an absolute URL, in which `{id}` stands for the invitation's id. The page has its reader sign in, and calls `/organization/accept-invitation`.",
    ),
    key("guests.create_organizations", "on", "Whether guests may make organizations: five at the most."),
    key(
        "search.enabled",
        "on",
        "Whether administrators find and sort users by a part of their name or address. It takes a table in which these are readable; off leaves nothing in it.",
    ),
    key("upgrade.require_verified_email", "off", "Strict mode: a guest stays anonymous until the address is proven."),
    key("delete_user.enabled", "on", "Whether users may delete themselves."),
    key(
        "delete_user.by_mail",
        "off",
        "Whether deleting a user who has an address takes the link that is mailed to it.",
    ),
    key("change_email.enabled", "on", "Whether members may give another address."),
    key(
        "email.conflict",
        "reveal",
        "What somebody is told who gives an address that is taken: `reveal` answers that it is; `private` answers alike for every address, and the mailbox decides.",
    ),
    key("email.claim_ttl", "7d", "How long a browser can show that it claimed an address."),
    key("email.verification_ttl", "24h", "How long a verification link stands: 5 minutes to 7 days."),
    secret(
        "smtp.url",
        "The mail server: `smtps://user:password@host:465`, `smtp://user:password@host:587` (STARTTLS; `?tls=none` sends in clear). Default: none, mails are kept as .eml files in the data folder.",
    ),
    key(
        "mail.from",
        "",
        "Who mails come from: an address, or `Name <address>`. Default: no-reply at the public URL's host.",
    ),
    key(
        "mail.templates",
        "",
        "Folder of your own mail templates, `<language>/<kind>.txt`; what is not there is taken from those that ship.",
    ),
    key(
        "mail.locale",
        "en",
        "Language of mails to those whose `Accept-Language` names none that there are templates in.",
    ),
    key("app_name", "", "What mails call the service. Default: the public URL's host."),
    key(
        "social.*.client_id",
        "",
        "Client id at the provider `*`: google, apple, microsoft, linkedin, gitlab, github, discord, facebook, twitter (alias x), or a name of your own for any OIDC issuer. Given, the provider is on.",
    ),
    secret("social.*.client_secret", "Client secret at the provider; none for a public client, and for apple."),
    key("social.*.enabled", "on", "`off` keeps a provider's settings and takes it out of use."),
    key(
        "social.*.issuer",
        "",
        "Issuer URL of an OIDC provider of your own, or of a gitlab that you run; its endpoints and keys are discovered.",
    ),
    key(
        "social.*.tenant_id",
        "common",
        "microsoft: `common`, `organizations`, `consumers`, or a tenant's id or domain.",
    ),
    key(
        "social.*.base_url",
        "",
        "github, discord, facebook, twitter: an origin instead of the provider's own, such as a GitHub Enterprise server.",
    ),
    key(
        "social.*.scopes",
        "",
        "Scopes to ask for, separated by commas, instead of those that reading a name and an address takes.",
    ),
    key("social.*.audiences", "", "Client ids besides `client_id` whose id tokens are taken, of native apps."),
    key(
        "social.*.trust_email",
        "off",
        "An OIDC provider of your own: whether its `email_verified` is believed. It can then lead to accounts by address: only for an issuer that checks addresses.",
    ),
    key("social.*.team_id", "", "apple: the team that the key belongs to."),
    key("social.*.key_id", "", "apple: the key that signs the client secret."),
    key("social.*.private_key_file", "", "apple: the key's .p8 file."),
    key(
        "account_linking.different_emails",
        "off",
        "Whether a member may link a social account with another address than their own.",
    ),
    key(
        "outgoing.allow",
        "",
        "Private networks in which identity providers, checkers of captchas and webhook endpoints may stand, as CIDR, separated by commas; without TLS there only. Everything else that is not public is refused.",
    ),
    key("sessions.lifetime", "7d", "Life of a session, from its last extension: 1 hour to 400 days."),
    key("sessions.refresh_after", "24h", "A session is extended when its last extension is this old."),
    key("sessions.not_remembered", "1d", "Life of a session with rememberMe off; never extended."),
    key(
        "sessions.absolute_max",
        "",
        "No session lives longer than this, however often it is used. Default: no bound; 30d is recommended.",
    ),
    key(
        "sessions.fresh_age",
        "1d",
        "How long after authenticating a session may do what needs a fresh one; 0 asks for none.",
    ),
    key(
        "sessions.rotate_on_upgrade",
        "cookie",
        "When an upgrade gives the session a new token: `cookie` (if it was ever presented by cookie), `always`, `never`.",
    ),
    key("sessions.per_user", "100", "Sessions one user may have; the oldest ends for one more. 1 to 1000."),
    key("sessions.activity_granularity", "1h", "How often a session's use is recorded: 1 minute to 1 hour."),
    key("cookies.same_site", "lax", "`lax`, `strict` or `none` for the session cookie; `none` needs https."),
    key("cookies.domain", "", "Domain of the session cookie, for apps on several sub-domains."),
    key("hashing.memory_kib", "19456", "argon2id memory in KiB: at least 19456."),
    key("hashing.iterations", "2", "argon2id passes: at least 2."),
    key("hashing.parallelism", "1", "argon2id lanes."),
    key("hashing.threads", "0", "Hashing threads; 0 is one for each core."),
    key("hashing.queue", "256", "Hashes that may wait; one more is answered 503."),
    key("writer.queue", "8192", "Groups that may wait to be stored; one more is answered 503."),
    key("writer.max_batch", "1024", "Groups stored in one transaction."),
    key(
        "followers.lease",
        "10s",
        "Mails and other work that follows from events are done by one node at a time; this long after it stops without a word another takes over. 1 to 300 seconds.",
    ),
    key(
        "audit.checkpoint_every",
        "10s",
        "The log is signed when something is new in it, at most once in this time; 0 signs at once. At most a day.",
    ),
    key(
        "audit.streams",
        "32",
        "Readers that follow the log at a time by server-sent events, of each node; one more is answered 503. 0 to 10000.",
    ),
    key("audit.heartbeat", "15s", "How often they are told that the server is still there: 1 to 300 seconds."),
    key("postgres.schema", "chrysalis", "Schema that holds every table; made when it is missing."),
    key(
        "postgres.root_cert",
        "",
        "PEM file of the authorities that certify the server. Default: the machine's own. A host that is not this machine is spoken to by TLS alone, unless the URL says `sslmode`.",
    ),
    key("postgres.pool", "8", "Connections that read, of each node; four more write, look up and listen. 1 to 1000."),
    key("postgres.connect_timeout", "3s", "How long connecting may take: 1 to 60 seconds, as the four below."),
    key("postgres.wait_timeout", "2s", "How long a read waits for a free connection; then 503."),
    key("postgres.query_timeout", "5s", "How long one read may take; then 503."),
    key("postgres.commit_timeout", "5s", "How long one batch may take, commit included; then 503."),
    key("postgres.poll", "1s", "How often a node looks for events of others besides being notified."),
    key("eventstore.stream", "chrysalis", "The stream of EventStoreDB that is the log."),
    key(
        "eventstore.call_timeout",
        "3s",
        "How long one call of EventStoreDB may take: 1 to 60 seconds, as the next, and no longer than that.",
    ),
    key("eventstore.commit_timeout", "5s", "How long one batch may take there, with all its calls; then 503."),
    key("shutdown_grace", "10s", "How long a stop waits for what was accepted."),
    key("log.format", "auto", "`human`, `json`, or `auto`: human on a terminal."),
    key("log.filter", "info", "What is logged, as of tracing's EnvFilter."),
];

/// The environment variable of a key.
pub fn variable(name: &str) -> String {
    format!("CHRYSALIS_{}", name.replace(['.', '-'], "_").to_uppercase())
}

/// The key that a name is one of.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| {
        let mut parts = name.split('.');
        let fits = |pattern: &str| match (pattern, parts.next()) {
            ("*", Some(id)) => is_id(id),
            (exact, part) => part == Some(exact),
        };
        key.name.split('.').all(fits) && parts.next().is_none()
    })
}

/// The name that a variable stands for.
pub fn named_by(variable: &str) -> Option<String> {
    if let Some(key) = KEYS.iter().find(|key| self::variable(key.name) == variable) {
        return Some(key.name.to_owned());
    }
    let fits = |key: &Key| {
        let (before, after) = key.name.split_once('*')?;
        let id =
            variable.strip_prefix(&self::variable(before))?.strip_suffix(&after.replace('.', "_").to_uppercase())?;
        let id = id.to_ascii_lowercase().replace('_', "-");
        is_id(&id).then(|| format!("{before}{id}{after}"))
    };
    // The longest id is the one that left least to the rest: `…_PRIVATE_KEY_ID` would be an id of its own.
    KEYS.iter().filter_map(fits).min_by_key(String::len)
}

/// Longest id of a provider.
const ID_MAX: usize = 32;

pub fn is_id(text: &str) -> bool {
    (1..=ID_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
