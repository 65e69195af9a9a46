//! The forms in which a text may stand somewhere: as it is, in another width, or spelled out.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// In UTF-8 and UTF-16, in hexadecimal digits, in base64 whatever stands before it.
pub fn of(text: &str) -> Vec<Vec<u8>> {
    let bytes = text.as_bytes();
    let wide = |to: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(to).collect::<Vec<u8>>();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        bytes.to_vec(),
        wide(u16::to_le_bytes),
        wide(u16::to_be_bytes),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
    ];
    // What stands before shifts the digits; those at both ends hold something of it, and are left out.
    for before in 0..3 {
        let shifted = [&vec![0; before], bytes].concat();
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let digits = engine.encode(&shifted).into_bytes();
            let begin = (before * 8).div_ceil(6);
            forms.push(digits[begin..digits.len() - 1].to_vec());
        }
    }
    forms
}
