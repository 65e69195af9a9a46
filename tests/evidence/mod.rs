//! An export is what the log held; or it is said what is not, and where.

mod altered;
mod broken_off;
mod exported;
mod forged;
