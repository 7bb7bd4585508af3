//! Gauges that are read rather than counted, and the upkeep of what the recorder keeps.

use std::sync::Arc;

use lmhaven_actors::provider::AccountState;
use metrics::gauge;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::relay::Gateway;
use crate::telemetry::{UPKEEP_EVERY, start_series};

/// Reads all gauges now and then every few seconds, for as long as the process runs. Without the upkeep
/// the recorder's histograms grow for as long as nobody scrapes.
pub fn keep_up(gateway: Arc<Gateway>, handle: PrometheusHandle) {
    let process = metrics_process::Collector::default();
    process.describe();
    start_series(&gateway);
    actix_web::rt::spawn(async move {
        let mut tick = tokio::time::interval(UPKEEP_EVERY);
        loop {
            tick.tick().await;
            handle.run_upkeep();
            process.collect();
            read(&gateway);
        }
    });
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
fn read(gateway: &Gateway) {
    gauge!("lmhaven_inflight_requests").set(gateway.running() as f64);
    let totals = gateway.core.reports.totals();
    gauge!("lmhaven_balances_usd").set(totals.balances.as_usd_for_metrics());
    gauge!("lmhaven_holds_usd").set(totals.holds.as_usd_for_metrics());
    gauge!("lmhaven_holds_open").set(totals.open_holds as f64);
    let oldest = totals.oldest_hold_at.map_or(0, |at| at.0 / 1000);
    gauge!("lmhaven_hold_oldest_timestamp_seconds").set(oldest as f64);
    if let Some(book) = gateway.core.prices.in_force(gateway.core.clock.now().wall) {
        gauge!("lmhaven_price_book_effective_timestamp_seconds").set((book.effective_at.0 / 1000) as f64);
        for (model, row) in &book.rows {
            gauge!("lmhaven_price_ratio", "model" => model.clone()).set(f64::from(row.ratio.thousandths()) / 1000.0);
        }
    }
    for (id, pool) in &gateway.pools {
        let accounts = pool.view();
        let states = [
            (AccountState::Healthy, "healthy"),
            (AccountState::Cooling, "cooling"),
            (AccountState::Open, "open"),
            (AccountState::Disabled, "disabled"),
        ];
        for (state, name) in states {
            let count = accounts.iter().filter(|account| account.state == state).count();
            gauge!("lmhaven_provider_keys", "provider" => id.to_string(), "state" => name).set(count as f64);
        }
    }
    gauge!("lmhaven_actors", "kind" => "workspace").set(gateway.core.directory.len() as f64);
    gauge!("lmhaven_actor_mailbox_depth_max", "kind" => "workspace")
        .set(f64::from(gateway.core.directory.waiting_max()));
}
