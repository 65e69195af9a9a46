//! Bounds between which things are counted. They are part of what the counts mean: other bounds are another version of the
//! model.

/// Days or weeks after the first that are told apart; what comes later is counted together where it is counted at all. A
/// guest's own are bits of one number.
pub const AFTER_MAX: i64 = 63;

/// Sessions that are told apart: these, or more.
pub const SESSIONS_MAX: i64 = 100;

/// Spans of seconds: each second up to 16, and eight to every doubling from there on. So one is at most an eighth as wide as
/// what falls into it is long.
pub const fn lower_bound(seconds: i64) -> i64 {
    let shift = shift(seconds);
    (seconds >> shift) << shift
}

/// Where the next span begins.
pub const fn upper_bound(lower: i64) -> i64 {
    lower + (1 << shift(lower))
}

const fn shift(seconds: i64) -> u32 {
    if seconds < 16 { 0 } else { seconds.ilog2() - 3 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_follow_on_each_other_and_none_is_wider_than_an_eighth() {
        let mut lower = 0;
        while lower < 200_000_000 {
            let upper = upper_bound(lower);
            for seconds in [lower, (lower + upper) / 2, upper - 1] {
                assert_eq!(lower_bound(seconds), lower, "{seconds}");
            }
            assert!(lower < 16 || 8 * (upper - lower) <= lower, "{lower}");
            lower = upper;
        }
    }
}
