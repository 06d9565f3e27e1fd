//! What journal hears: everything.

use bus::{Delivery, Handler};
use chassis::Result;

use crate::app::App;
use crate::read::Reader;

/// Writes every event down.
#[derive(Debug)]
pub(crate) struct Writer {
    app: App,
    reader: Reader,
}

impl Writer {
    pub(crate) fn new(app: App) -> Result<Self> {
        let reader = Reader::new()?;
        Ok(Self { app, reader })
    }
}

#[async_trait::async_trait]
impl Handler for Writer {
    async fn handle(&self, delivery: &Delivery) -> Result<bool> {
        let entry = self.reader.entry(delivery, self.app.clock.now());
        let known = !entry.data.is_empty();
        self.app.write_down(&entry).await?;
        Ok(known)
    }
}
