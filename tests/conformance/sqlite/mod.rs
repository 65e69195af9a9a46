//! What only the embedded store can show: its files, its faults.

mod apart;
mod crash;
mod damage;
mod disk;
mod opening;
mod traces;
mod writer;
