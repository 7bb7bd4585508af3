//! The provider simulator (being written).
#![expect(missing_docs, reason = "temporary")]
use std::net::SocketAddr;
pub struct Options {
    pub listen: SocketAddr,
    pub seed: u64,
}
impl Default for Options {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)), seed: 0 }
    }
}
pub struct Simulator;
impl Simulator {
    pub async fn start(_: Options) -> std::io::Result<Self> {
        Ok(Self)
    }
    pub fn url(&self) -> String {
        String::new()
    }
    pub async fn stop(self) {}
}
