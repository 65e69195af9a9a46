//! What only the embedded store can show: its rebuild, its files, its faults.

mod apart;
mod crash;
mod damage;
mod disk;
mod history;
mod opening;
mod refold;
mod writer;
