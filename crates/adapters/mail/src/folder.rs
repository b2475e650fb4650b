//! Mails as files, for those who try GoTicket out.

use std::io;
use std::path::{Path, PathBuf};

use application::mail::{DeliveryError, Mail};
use lettre::Message;

/// A folder with one `.eml` file a mail.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes it, for its owner alone: mails bear secrets.
    pub(crate) fn make(path: &Path) -> io::Result<Self> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path)?;
        Ok(Self(path.to_owned()))
    }

    /// Writes the mail; whoever watches the folder sees it whole or not at all.
    pub(crate) async fn put(&self, mail: &Mail, message: &Message) -> Result<(), DeliveryError> {
        let name = format!("{}-{}", mail.at.format("%Y%m%dT%H%M%SZ"), mail.id);
        let (part, whole) = (self.0.join(format!("{name}.part")), self.0.join(format!("{name}.eml")));
        let written = async {
            let mut options = tokio::fs::OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            options.mode(0o600);
            let mut file = options.open(&part).await?;
            tokio::io::AsyncWriteExt::write_all(&mut file, &message.formatted()).await?;
            file.sync_all().await?;
            tokio::fs::rename(&part, &whole).await
        };
        let written: io::Result<()> = written.await;
        written.map_err(|error| DeliveryError::Temporary(format!("the mail could not be written: {}", error.kind())))
    }
}
