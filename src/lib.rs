//! The server. Arrows point one way: `domain <- projections <- log <- app <- {http, followers} <- main`.

pub mod admission;
pub mod app;
pub mod attempts;
pub mod clock;
pub mod config;
pub mod entropy;
pub mod evidence;
pub mod followers;
pub mod hasher;
pub mod http;
pub mod keys;
pub mod limits;
pub mod log;
pub mod mail;
pub mod metrics;
pub mod open;
pub mod outgoing;
pub mod priority;
pub mod proof;
pub mod serve;
pub mod settings;
pub mod social;
pub mod telemetry;
pub mod tokens;
pub mod webhooks;
pub mod wire;
