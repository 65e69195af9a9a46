//! The keys of a log that a check is made by, as they are given: on the command line, or in files.

use chrysalis::proof::note::VerifyingKey;

/// All of them; nothing where one can't be read, and that is said.
pub fn read(given: &[String]) -> Option<Vec<VerifyingKey>> {
    let mut keys = Vec::new();
    for key in given {
        match read_keys(key) {
            Ok(read) => keys.extend(read),
            Err(said) => {
                eprintln!("chrysalis: {said}");
                return None;
            }
        }
    }
    Some(keys)
}

/// Keys, as they are written on the command line, or in a file of that name: a line each, for a log that changed its key
/// has several.
fn read_keys(given: &str) -> Result<Vec<VerifyingKey>, String> {
    let lines = |text: &str| -> Option<Vec<VerifyingKey>> {
        let keys: Option<Vec<_>> =
            text.lines().filter(|line| !line.trim().is_empty()).map(|line| line.parse().ok()).collect();
        keys.filter(|keys| !keys.is_empty())
    };
    if let Some(keys) = lines(given) {
        return Ok(keys);
    }
    let text =
        std::fs::read_to_string(given).map_err(|error| format!("--key {given}: no key, and no file: {error}"))?;
    lines(&text).ok_or_else(|| format!("--key {given}: the file holds no keys of a log"))
}
