//! The server. Arrows point one way: `domain <- projections <- log <- app <- {http, followers} <- main`.

pub mod clock;
pub mod entropy;
pub mod hasher;
pub mod keys;
pub mod log;
pub mod wire;
