//! The configuration that is in force, printed as TOML that reads back to the same. Secrets are hidden.
//!
//! `env:` and `file:` references are shown, since they are no secrets; a literal becomes asterisks, which a key of
//! `[images]` is then refused for.

use std::fmt::{self, Write};

use lmhaven_actors::domain::price::{ListPrice, TextPrice, VoicePrice};
use toml::Value;

use super::accounts::Accounts;
use super::images::{ImagePlace, Images, LinkKey, S3};
use super::limits::Limits;
use super::mail::{Mail, MailTransport};
use super::models::{Modality, Model};
use super::payments::Payments;
use super::providers::Provider;
use super::secret::Secret;
use super::server::Server;
use super::store::Store;
use super::units::{print_duration, print_size};
use super::webhooks::Webhooks;
use super::{Config, Warning};

/// The whole configuration; every warning stands as a comment at the top.
pub(super) fn print(config: &Config) -> String {
    let Config {
        server,
        store,
        images,
        accounts,
        mail,
        payments,
        webhooks,
        limits,
        providers,
        models,
        warnings,
        source_name: _,
    } = config;
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = warnings.iter().try_for_each(|warning: &Warning| writeln!(text, "# {warning}"));
    let _ = print_server(&mut text, server)
        .and_then(|()| print_store(&mut text, store))
        .and_then(|()| print_images(&mut text, images))
        .and_then(|()| print_accounts(&mut text, accounts))
        .and_then(|()| print_mail(&mut text, mail))
        .and_then(|()| print_payments(&mut text, payments))
        .and_then(|()| print_webhooks(&mut text, *webhooks))
        .and_then(|()| print_limits(&mut text, limits))
        .and_then(|()| providers.iter().try_for_each(|provider| print_provider(&mut text, provider)))
        .and_then(|()| models.iter().try_for_each(|model| print_model(&mut text, model)));
    text.trim_start().to_owned()
}

/// A TOML string with its quotes.
fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

fn quoted_list<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let quoted: Vec<String> = texts.into_iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", quoted.join(", "))
}

fn print_server(text: &mut String, server: &Server) -> fmt::Result {
    let Server {
        listen,
        public_url,
        admin_listen,
        admin_url,
        drain_timeout,
        workers,
        admin_token,
        metrics_token,
        trusted_proxies,
    } = server;
    writeln!(text, "\n[server]")?;
    writeln!(text, "listen = \"{listen}\"")?;
    writeln!(text, "public_url = {}", quoted(public_url))?;
    writeln!(text, "admin_listen = \"{admin_listen}\"")?;
    if let Some(url) = admin_url {
        writeln!(text, "admin_url = {}", quoted(url))?;
    }
    writeln!(text, "drain_timeout = \"{}\"", print_duration(*drain_timeout))?;
    if let Some(workers) = workers {
        writeln!(text, "workers = {workers}")?;
    }
    for (key, token) in [("admin_token", admin_token), ("metrics_token", metrics_token)] {
        if let Some(token) = token {
            writeln!(text, "{key} = {}", quoted(token.shown()))?;
        }
    }
    writeln!(text, "trusted_proxies = {}", quoted_list(trusted_proxies.iter().map(ToString::to_string)))
}

fn print_store(text: &mut String, store: &Store) -> fmt::Result {
    let Store { kind, path, min_free } = store;
    writeln!(text, "\n[store]")?;
    writeln!(text, "kind = \"{}\"", kind.name())?;
    writeln!(text, "path = {}", quoted(&path.to_string_lossy()))?;
    writeln!(text, "min_free = \"{}\"", print_size(*min_free))
}

fn print_images(text: &mut String, images: &Images) -> fmt::Result {
    let Images { place, bytes_max, link_keys } = images;
    writeln!(text, "\n[images]")?;
    if let ImagePlace::Folder(path) = place {
        writeln!(text, "path = {}", quoted(&path.to_string_lossy()))?;
    }
    writeln!(text, "bytes_max = \"{}\"", print_size(as_u64(*bytes_max)))?;
    for LinkKey { kid, key } in link_keys {
        writeln!(text, "\n[[images.link_keys]]\nkid = {kid}\nkey = {}", quoted(key.shown()))?;
    }
    match place {
        ImagePlace::Folder(_) => Ok(()),
        ImagePlace::S3(s3) => print_s3(text, s3),
    }
}

fn print_accounts(text: &mut String, accounts: &Accounts) -> fmt::Result {
    let Accounts { sign_up, key_file } = accounts;
    writeln!(text, "\n[accounts]\nsign_up = {sign_up}\nkey_file = {}", quoted(&key_file.to_string_lossy()))
}

fn print_s3(text: &mut String, s3: &S3) -> fmt::Result {
    let S3 { bucket, endpoint, region, credentials, prefix, allow_http } = s3;
    writeln!(text, "\n[images.s3]\nbucket = {}", quoted(bucket))?;
    if let Some(endpoint) = endpoint {
        writeln!(text, "endpoint = {}", quoted(endpoint))?;
    }
    writeln!(text, "region = {}", quoted(region))?;
    if let Some(credentials) = credentials {
        writeln!(text, "access_key_id = {}", quoted(credentials.access_key_id.shown()))?;
        writeln!(text, "secret_access_key = {}", quoted(credentials.secret_access_key.shown()))?;
    }
    if !prefix.is_empty() {
        writeln!(text, "prefix = {}", quoted(prefix))?;
    }
    writeln!(text, "allow_http = {allow_http}")
}

fn print_mail(text: &mut String, mail: &Mail) -> fmt::Result {
    let Mail { transport, from, reply_to } = mail;
    writeln!(text, "\n[mail]")?;
    match transport {
        MailTransport::Folder(_) => writeln!(text, "transport = \"folder\"")?,
        MailTransport::Smtp(url) => {
            writeln!(text, "transport = \"smtp\"\nsmtp_url = {}", quoted(url.shown()))?;
        }
    }
    writeln!(text, "from = {}", quoted(&from.to_string()))?;
    match reply_to {
        Some(reply_to) => writeln!(text, "reply_to = {}", quoted(&reply_to.to_string())),
        None => Ok(()),
    }
}

fn print_payments(text: &mut String, payments: &Payments) -> fmt::Result {
    let Payments { stripe_secret_key, stripe_webhook_secrets, stripe_base_url, min_amount, max_amount, livemode } =
        payments;
    writeln!(text, "\n[payments]")?;
    if let Some(key) = stripe_secret_key {
        writeln!(text, "stripe_secret_key = {}", quoted(key.shown()))?;
    }
    if !stripe_webhook_secrets.is_empty() {
        let secrets = quoted_list(stripe_webhook_secrets.iter().map(Secret::shown));
        writeln!(text, "stripe_webhook_secrets = {secrets}")?;
    }
    writeln!(text, "stripe_base_url = {}", quoted(stripe_base_url))?;
    writeln!(text, "min_amount = \"{min_amount}\"\nmax_amount = \"{max_amount}\"\nlivemode = {livemode}")
}

fn print_webhooks(text: &mut String, webhooks: Webhooks) -> fmt::Result {
    let Webhooks { allow_loopback } = webhooks;
    writeln!(text, "\n[webhooks]\nallow_loopback = {allow_loopback}")
}

fn print_limits(text: &mut String, limits: &Limits) -> fmt::Result {
    let Limits { policy, edge } = limits;
    writeln!(text, "\n[limits]")?;
    writeln!(text, "requests_per_minute = {}", policy.default.requests_per_minute)?;
    writeln!(text, "concurrent_streams = {}", policy.default.concurrent_streams)?;
    if policy.tiers.is_empty() {
        writeln!(text, "tiers = []")?;
    }
    for tier in &policy.tiers {
        writeln!(text, "\n[[limits.tiers]]")?;
        writeln!(text, "min_balance = \"{}\"", tier.min_balance)?;
        writeln!(text, "requests_per_minute = {}", tier.limits.requests_per_minute)?;
        writeln!(text, "concurrent_streams = {}", tier.limits.concurrent_streams)?;
    }
    let super::limits::Edge {
        connections_per_address,
        failed_authentications_per_minute,
        body_bytes_in_flight,
        body_bytes_max,
        json_depth_max,
        tools_max,
        messages_max,
    } = edge;
    writeln!(text, "\n[limits.edge]")?;
    writeln!(text, "connections_per_address = {}", connections_per_address.map_or(0, std::num::NonZeroU32::get))?;
    let failed = failed_authentications_per_minute.map_or(0, std::num::NonZeroU32::get);
    writeln!(text, "failed_authentications_per_minute = {failed}")?;
    writeln!(text, "body_bytes_in_flight = \"{}\"", print_size(as_u64(body_bytes_in_flight.unwrap_or(0))))?;
    writeln!(text, "body_bytes_max = \"{}\"", print_size(as_u64(*body_bytes_max)))?;
    writeln!(text, "json_depth_max = {json_depth_max}")?;
    writeln!(text, "tools_max = {tools_max}")?;
    writeln!(text, "messages_max = {messages_max}")
}

/// Sizes came from a `u64`, so they fit one.
fn as_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn print_provider(text: &mut String, provider: &Provider) -> fmt::Result {
    let Provider {
        id,
        kind,
        base_url,
        api_keys,
        max_in_flight,
        connect_timeout,
        first_byte_timeout,
        answer_timeout,
        idle_timeout,
        voices,
    } = provider;
    writeln!(text, "\n[[providers]]")?;
    writeln!(text, "id = {}", quoted(id.as_str()))?;
    writeln!(text, "kind = \"{}\"", kind.name())?;
    writeln!(text, "base_url = {}", quoted(base_url))?;
    writeln!(text, "api_keys = {}", quoted_list(api_keys.iter().map(Secret::shown)))?;
    writeln!(text, "max_in_flight = {max_in_flight}")?;
    writeln!(text, "connect_timeout = \"{}\"", print_duration(*connect_timeout))?;
    writeln!(text, "first_byte_timeout = \"{}\"", print_duration(*first_byte_timeout))?;
    writeln!(text, "answer_timeout = \"{}\"", print_duration(*answer_timeout))?;
    writeln!(text, "idle_timeout = \"{}\"", print_duration(*idle_timeout))?;
    if let Some(voices) = voices {
        let rows: Vec<_> = voices.iter().map(|(name, id)| format!("{} = {}", quoted(name), quoted(id))).collect();
        writeln!(text, "voices = {{ {} }}", rows.join(", "))?;
    }
    Ok(())
}

fn print_model(text: &mut String, model: &Model) -> fmt::Result {
    let Model {
        id,
        display_name,
        modality,
        providers,
        available: _, // follows from the providers
        upstream_model,
        price,
        max_output_tokens,
        context_window,
    } = model;
    writeln!(text, "\n[[models]]")?;
    writeln!(text, "id = {}", quoted(id))?;
    writeln!(text, "display_name = {}", quoted(display_name))?;
    writeln!(text, "modality = \"{}\"", modality.name())?;
    match providers.as_slice() {
        [only] => writeln!(text, "provider = {}", quoted(only.as_str()))?,
        several => writeln!(text, "provider = {}", quoted_list(several.iter().map(super::ProviderId::as_str)))?,
    }
    writeln!(text, "upstream_model = {}", quoted(upstream_model))?;
    writeln!(text, "ratio = {}", price.ratio)?;
    if *modality == Modality::Text {
        writeln!(text, "context_window = {context_window}")?;
        writeln!(text, "max_output_tokens = {max_output_tokens}")?;
    }
    writeln!(text, "[models.list_price]")?;
    match &price.list {
        ListPrice::Text(price) => print_text_price(text, price),
        ListPrice::Image(tiers) => {
            tiers.tiers().try_for_each(|(tier, price)| writeln!(text, "{} = \"{price}\"", quoted(tier.name())))
        }
        ListPrice::Voice(VoicePrice { per_minute, per_1k_characters }) => {
            writeln!(text, "per_minute = \"{per_minute}\"")?;
            writeln!(text, "per_1k_characters = \"{per_1k_characters}\"")
        }
    }
}

fn print_text_price(text: &mut String, price: &TextPrice) -> fmt::Result {
    let TextPrice { input, output, cache_read, cache_write_5m, cache_write_1h, audio_input, long_context } = price;
    let long = long_context.as_ref();
    if let Some(long) = long {
        writeln!(text, "long_context_over = {}", long.over)?;
    }
    for (key, price) in [
        ("input", Some(*input)),
        ("output", Some(*output)),
        ("cache_read", *cache_read),
        ("cache_write_5m", *cache_write_5m),
        ("cache_write_1h", *cache_write_1h),
        ("audio_input", *audio_input),
        ("long_context_input", long.map(|long| long.input)),
        ("long_context_output", long.map(|long| long.output)),
        ("long_context_cache_read", long.and_then(|long| long.cache_read)),
    ] {
        if let Some(price) = price {
            writeln!(text, "{key} = \"{price}\"")?;
        }
    }
    Ok(())
}
