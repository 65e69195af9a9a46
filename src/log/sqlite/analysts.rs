//! A file, that is read or not.

use async_trait::async_trait;

use super::{LogFault, SqliteLog};
use crate::log::analysts::{Analysts, LetRead};

#[async_trait]
impl Analysts for SqliteLog {
    async fn let_read(&self, _: &str, _: &[&'static str]) -> Result<LetRead, LogFault> {
        Ok(LetRead::NoRoles { file: self.path.clone() })
    }
}
