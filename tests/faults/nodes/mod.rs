//! Several nodes on one PostgreSQL, and what can happen to them and to it.

mod cut;
mod failover;
mod kill;
mod outage;
mod paused;
mod settings;
pub mod together;
mod waves;
mod webhooks;
