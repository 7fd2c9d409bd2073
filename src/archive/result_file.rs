//! A result file while it is written.

use sha2::{Digest, Sha256};
use std::io::{self, BufWriter, Write};
use tempfile::NamedTempFile;

/// Takes the bytes of a result, which will be named by their hash.
pub struct ResultFile {
    file: BufWriter<NamedTempFile>,
    digest: Sha256,
    /// Why the disk took no more; whoever writes may not pass it on as what it is.
    trouble: Option<io::Error>,
}

impl ResultFile {
    pub(super) fn new(file: NamedTempFile) -> Self {
        Self {
            file: BufWriter::new(file),
            digest: Sha256::new(),
            trouble: None,
        }
    }

    /// The whole file and the SHA-256 of its bytes.
    ///
    /// # Errors
    /// What the disk said, now or while it was written.
    pub(super) fn finish(self) -> io::Result<(NamedTempFile, [u8; 32])> {
        if let Some(trouble) = self.trouble {
            return Err(trouble);
        }
        let file = self
            .file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        Ok((file, self.digest.finalize().into()))
    }
}

impl Write for ResultFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes).inspect_err(|error| {
            self.trouble = Some(io::Error::new(error.kind(), error.to_string()));
        })?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
