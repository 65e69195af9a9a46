//! Guests, many at a time: where and when they came, and waves of them.

pub(in crate::http) mod origins;
pub(in crate::http) mod waves;
