//! The configuration as a whole: what is shipped, what a file changes, and every way to be refused.

use super::*;

/// All that the shipped configuration and the example ask for.
fn environment() -> FixedEnvironment {
    ["ANTHROPIC", "GEMINI", "ARK", "NOVELAI", "PIXAI", "ELEVENLABS", "OPENAI"]
        .iter()
        .fold(FixedEnvironment::default().with_variable("LMHAVEN_ADMIN_TOKEN", "canary-admin"), |environment, name| {
            environment.with_variable(&format!("{name}_API_KEY"), "canary-upstream")
        })
}

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse(Some(("lmhaven.toml", text)), &environment())
}

/// One error per line.
fn errors(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

#[test]
fn the_shipped_configuration_holds_the_whole_roster() {
    let config = Config::parse(None, &environment()).unwrap();
    assert_eq!(config.warnings, []);
    assert!(config.models.iter().all(|model| model.available));
    insta::assert_snapshot!(config.effective_toml());
}

#[test]
fn without_any_secret_everything_is_listed_and_nothing_available() {
    let config = Config::load(None, &FixedEnvironment::default()).unwrap();
    assert_eq!(config.models.len(), 10);
    assert!(config.models.iter().all(|model| !model.available));
    assert!(config.server.admin_token.is_none());
    let refused = config.require_admin_token().unwrap_err();
    let lines: Vec<_> = config.warnings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(format!("{}\n---\n{refused}", lines.join("\n")));
}

#[test]
fn the_effective_configuration_reads_back_to_itself_and_hides_secrets() {
    let own = "
        [server]
        admin_token = 'canary-literal'
        metrics_token = 'file:/run/metrics'
        trusted_proxies = ['10.0.0.0/8', '::1']
        drain_timeout = '1500ms'
        [store]
        path = 'a \"quoted\" folder'
        [images]
        bytes_max = '5 MiB'
        [[images.link_keys]]
        kid = 7
        key = 'file:/run/link'
        [[images.link_keys]]
        kid = 8
        key = 'env:LINK_KEY'
        [images.s3]
        bucket = 'haven-images'
        endpoint = 'http://127.0.0.1:9000/'
        region = 'eu-central-1'
        access_key_id = 'canary-id'
        secret_access_key = 'env:LINK_KEY'
        prefix = 'generated/images/'
        allow_http = true
        [limits]
        tiers = []
        [limits.edge]
        connections_per_address = 0
        [[providers]]
        id = 'pool'
        kind = 'openai'
        base_url = 'https://openrouter.ai/api/v1/'
        api_keys = ['canary-one', 'env:OPENAI_API_KEY']
        [[providers]]
        id = 'off'
        kind = 'openai'
        base_url = 'http://127.0.0.1:9100/v1'
        api_keys = []
        [[models]]
        id = 'meta-llama/llama-4'
        modality = 'text'
        provider = ['pool', 'off']
        ratio = 27.5
        list_price = { input = '0.20', output = '0.60' }
    ";
    let environment = environment()
        .with_file("/run/metrics", "canary-file\n")
        .with_file("/run/link", LONG)
        .with_variable("LINK_KEY", LONG);
    for file in [None, Some(("own.toml", own))] {
        let config = Config::parse(file, &environment).unwrap();
        let effective = config.effective_toml();
        assert!(!effective.contains("canary"), "{effective}");
        assert!(!format!("{config:?}").contains("canary"));
        let again = Config::parse(Some(("effective.toml", &effective)), &environment).unwrap();
        assert_eq!(again.effective_toml(), effective);
    }
    // With nothing set, the disabled providers have to read back as disabled.
    let bare = Config::parse(None, &FixedEnvironment::default()).unwrap().effective_toml();
    let again = Config::parse(Some(("effective.toml", &bare)), &FixedEnvironment::default()).unwrap();
    assert!(again.models.iter().all(|model| !model.available));
    insta::assert_snapshot!(Config::parse(Some(("own.toml", own)), &environment).unwrap().effective_toml());
}

#[test]
fn a_link_key_in_the_file_is_hidden_and_what_hides_it_is_no_key() {
    let effective = parse(&format!("[[images.link_keys]]\nkid = 1\nkey = '{LONG}'\n")).unwrap().effective_toml();
    assert!(effective.contains(HIDDEN) && !effective.contains("canary"), "{effective}");
    // Whoever pastes what `check` printed must not sign with asterisks.
    assert!(errors(&effective).contains("images.link_keys[0].key: is shorter than"));
}

#[test]
fn the_example_of_the_repository_is_valid() {
    let config = parse(include_str!("../../lmhaven.example.toml")).unwrap();
    assert_eq!(config.warnings, []);
    assert!(config.models.iter().all(|model| model.available));
}

#[test]
fn variables_override_the_file() {
    let environment = environment()
        .with_file("lmhaven.toml", "[server]\nlisten = '127.0.0.1:1'\n[limits]\nrequests_per_minute = 5\n")
        .with_variable("LMHAVEN__SERVER__LISTEN", "0.0.0.0:80")
        .with_variable("LMHAVEN__SERVER__TRUSTED_PROXIES", "10.0.0.0/8, 192.168.0.1")
        .with_variable("LMHAVEN__STORE__PATH", "/var/lib/lmhaven")
        .with_variable("LMHAVEN__STORE__MIN_FREE", "1 GiB")
        .with_variable("LMHAVEN__IMAGES__S3__BUCKET", "haven")
        .with_variable("LMHAVEN__IMAGES__S3__REGION", "us-east-1")
        .with_variable("LMHAVEN__IMAGES__S3__ALLOW_HTTP", "true")
        .with_variable("LMHAVEN__LIMITS__REQUESTS_PER_MINUTE", "7")
        .with_variable("LMHAVEN__LIMITS__EDGE__FAILED_AUTHENTICATIONS_PER_MINUTE", "0")
        .with_variable("LMHAVEN__PROVIDERS__ANTHROPIC__BASE_URL", "http://127.0.0.1:9100")
        .with_variable("LMHAVEN__PROVIDERS__GEMINI__API_KEYS", "one,two")
        .with_variable("LMHAVEN__MODELS__CLAUDE_OPUS_4_7__RATIO", "27.5");
    let config = Config::load(None, &environment).unwrap();
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:80");
    assert_eq!(config.server.trusted_proxies.len(), 2);
    assert_eq!(config.store.path, Path::new("/var/lib/lmhaven"));
    assert_eq!(config.store.min_free, 1 << 30);
    assert!(matches!(&config.images.place, ImagePlace::S3(s3) if s3.bucket == "haven" && s3.allow_http));
    assert_eq!(config.limits.policy.default.requests_per_minute.get(), 7);
    assert_eq!(config.limits.edge.failed_authentications_per_minute, None);
    assert_eq!(&*config.providers[0].base_url, "http://127.0.0.1:9100");
    assert_eq!(config.providers[1].api_keys.len(), 2);
    assert_eq!(config.model("claude-opus-4-7").unwrap().price.ratio.to_string(), "27.5");
}

#[test]
fn a_variable_that_is_wrong_is_named() {
    let environment = environment()
        .with_variable("LMHAVEN__SERVR__LISTEN", "0.0.0.0:80")
        .with_variable("LMHAVEN__SERVER__LISSTEN", "0.0.0.0:80")
        .with_variable("LMHAVEN__SERVER__LISTEN", "eighty")
        .with_variable("LMHAVEN__LIMITS__REQUESTS_PER_MINUTE", "0")
        .with_variable("LMHAVEN__LIMITS__TIERS", "none")
        .with_variable("LMHAVEN__PROVIDERS__ANTHROPIC__API_KEYS", "env:NOT_THERE")
        .with_variable("LMHAVEN__PROVIDERS__NOBODY__BASE_URL", "http://127.0.0.1:9100")
        .with_variable("LMHAVEN__MODELS__CLAUDE_OPUS_4_7__LIST_PRICE__INPUT", "free");
    let refused = Config::parse(Some(("lmhaven.toml", "")), &environment).unwrap_err();
    insta::assert_snapshot!(refused.to_string());
}

#[test]
fn a_file_that_replaces_the_providers_leaves_models_without_one_listed() {
    let config = parse(
        "[[providers]]\nid = 'anthropic'\nkind = 'anthropic'\nbase_url = 'http://127.0.0.1:9100'\napi_keys = ['k']\n\
         [[providers]]\nid = 'gemini'\nkind = 'openai'\nbase_url = 'http://127.0.0.1:9100/v1'\napi_keys = ['k']\n",
    )
    .unwrap();
    let available = |id: &str| config.model(id).unwrap().available;
    assert!(available("claude-opus-4-7") && available("gemini-3-flash"));
    assert!(!available("nano-banana-pro") && !available("seedream-5") && !available("elevenlabs-v3"));
    let lines: Vec<_> = config.warnings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_model_of_the_roster_keeps_what_is_known_of_it() {
    let config = parse(
        "[[models]]\nid = 'claude-opus-4-7'\nmodality = 'text'\nprovider = 'anthropic'\nratio = 28\n\
         list_price = { input = '5', output = '25' }\n\
         [[models]]\nid = 'own'\nmodality = 'text'\nprovider = 'anthropic'\nratio = 1\ncontext_window = 8000\n\
         list_price = { input = '5', output = '25' }\n\
         [[models]]\nid = 'claude-haiku-4-5'\nmodality = 'text'\nprovider = 'anthropic'\nratio = 1\n\
         context_window = 9000\nlist_price = { input = '1', output = '5' }\n",
    )
    .unwrap();
    let [opus, own, haiku] = config.models.as_slice() else { panic!("three models replace ten") };
    assert_eq!((haiku.max_output_tokens, haiku.context_window), (9_000, 9_000));
    assert_eq!((opus.max_output_tokens, opus.context_window), (128_000, 1_000_000));
    assert_eq!((own.max_output_tokens, own.context_window), (8_000, 8_000));
    assert_eq!((&*own.upstream_model, &*own.display_name), ("own", "own"));
}

/// A provider and a model to which a case adds what is wrong.
const PROVIDER: &str = "[[providers]]\nid = 'p'\nkind = 'openai'\n";
/// Enough characters for a link key.
const LONG: &str = "canary-0123456789012345678901234567890123456789";
const MODEL: &str = "[[models]]\nid = 'm'\nmodality = 'text'\nprovider = 'anthropic'\nratio = 2\n";

#[test]
fn every_mistake_is_named_with_file_key_and_reason() {
    let price = "list_price = { input = '1', output = '2' }\n";
    let url = "base_url = 'http://127.0.0.1/v1'\n";
    let cases = [
        ("an unknown section", "[sever]\n".to_owned()),
        ("unknown keys, all of them", "[server]\nlissten = 1\n[store]\nsize = 1\n[limits.edge]\nx = 1\n".to_owned()),
        ("not TOML", "[server\n".to_owned()),
        ("a key twice", "[server]\nlisten = '1'\nlisten = '2'\n".to_owned()),
        ("a section that is a value", "server = 1\nlimits = 'x'\nproviders = 'x'\n".to_owned()),
        (
            "addresses",
            "[server]\nlisten = 'localhost:80'\nadmin_listen = 8081\ntrusted_proxies = ['10.0.0.0/33']\n".to_owned(),
        ),
        ("a public URL with a path", "[server]\npublic_url = 'https://lm.example/app'\n".to_owned()),
        ("a public URL with a query", "[server]\npublic_url = 'https://lm.example/?a=1'\n".to_owned()),
        ("a public URL of no web", "[server]\npublic_url = 'ftp://lm.example'\n".to_owned()),
        ("secrets of one's own", "[server]\nadmin_token = 'env:NOWHERE'\nmetrics_token = 'file:/nowhere'\n".to_owned()),
        ("an unusable secret", "[server]\nadmin_token = ''\nmetrics_token = 'canary with space'\n".to_owned()),
        ("durations", "[server]\ndrain_timeout = 600\n".to_owned()),
        ("another store", "[store]\nkind = 'postgres'\nmin_free = '1 MB'\npath = ''\n".to_owned()),
        ("a store unheard of", "[store]\nkind = 'redb'\n".to_owned()),
        ("zero limits", "[limits]\nrequests_per_minute = 0\nconcurrent_streams = -1\n".to_owned()),
        (
            "unsorted tiers",
            "[[limits.tiers]]\nmin_balance = '5'\nrequests_per_minute = 1\nconcurrent_streams = 1\n\
             [[limits.tiers]]\nmin_balance = '5.00'\nrequests_per_minute = 1\nconcurrent_streams = 1\n"
                .to_owned(),
        ),
        ("half a tier", "[[limits.tiers]]\nmin_balance = 0.5\nmax = 1\n".to_owned()),
        (
            "a tier for everybody",
            "[[limits.tiers]]\nmin_balance = '0'\nrequests_per_minute = 1\nconcurrent_streams = 1\n".to_owned(),
        ),
        (
            "the edge",
            "[limits.edge]\nbody_bytes_max = 0\njson_depth_max = 128\ntools_max = 0\nmessages_max = '5'\n".to_owned(),
        ),
        ("images in two places", "[images]\npath = 'here'\n[images.s3]\nbucket = 'there'\n".to_owned()),
        (
            "images without bounds",
            "[images]\nbytes_max = 0\npath = ''\nkeep = '24h'\n[[images.link_keys]]\nkid = 0\nkey = 'canary'\nold = 1\n"
                .to_owned(),
        ),
        (
            "a link key twice",
            format!("[images]\nlink_keys = [{{ kid = 1, key = '{LONG}' }}, {{ kid = 1, key = '{LONG}' }}]\n"),
        ),
        ("a bare bucket", "[images.s3]\n".to_owned()),
        (
            "a bucket over HTTP",
            "[images.s3]\nbucket = 'B'\nregion = 'r'\nendpoint = 'http://127.0.0.1:9000'\nprefix = '../x'\nallow_http = 1\n"
                .to_owned(),
        ),
        (
            "half a credential",
            "[images.s3]\nbucket = 'haven'\nregion = 'r'\naccess_key_id = 'canary'\n".to_owned(),
        ),
        ("a body above all bodies", "[limits.edge]\nbody_bytes_in_flight = '1 MiB'\n".to_owned()),
        ("a bare provider", "[[providers]]\n".to_owned()),
        ("an unknown kind", format!("[[providers]]\nid = 'P 1'\nkind = 'azure'\n{url}api_keys = ['k']\n")),
        ("a base URL without /v1", format!("{PROVIDER}base_url = 'http://127.0.0.1:9100'\napi_keys = ['k']\n")),
        ("a base URL with credentials", format!("{PROVIDER}base_url = 'http://a:b@127.0.0.1/v1'\napi_keys = ['k']\n")),
        (
            "a base URL with a path",
            "[[providers]]\nid = 'p'\nkind = 'anthropic'\nbase_url = 'http://127.0.0.1/v1'\napi_keys = ['k']\n"
                .to_owned(),
        ),
        ("a base URL that is none", format!("{PROVIDER}base_url = '127.0.0.1'\napi_keys = ['env:NOWHERE', 5]\n")),
        (
            "numbers of a provider",
            format!(
                "{PROVIDER}{url}api_keys = 'k'\nmax_in_flight = 0\nidle_timeout = '0s'\nconnect_timeout = '5'\nretries = 2\n"
            ),
        ),
        ("a provider twice", format!("{PROVIDER}{url}api_keys = ['k']\n{PROVIDER}{url}api_keys = ['k']\n")),
        ("a key that is not there", format!("{PROVIDER}{url}api_keys = ['env:NOWHERE']\n")),
        ("a bare model", "[[models]]\n".to_owned()),
        ("a model twice", format!("{MODEL}{price}{MODEL}{price}")),
        (
            "providers of a model",
            format!("{}{price}", MODEL.replace("'anthropic'", "['nobody', 'anthropic', 'anthropic', 'ark']")),
        ),
        ("voices of a chat provider", format!("{PROVIDER}{url}api_keys = ['k']\nvoices = {{ alloy = 'x' }}\n")),
        (
            "voices that cannot be",
            "[[providers]]\nid = 'e'\nkind = 'elevenlabs'\nbase_url = 'http://127.0.0.1'\napi_keys = ['k']\n\
             voices = { 'a b' = 'x', nova = 'a/b', echo = '', ash = 5 }\n"
                .to_owned(),
        ),
        ("voices in a list", "[[providers]]\nid = 'e'\nkind = 'elevenlabs'\nvoices = ['alloy']\n".to_owned()),
        ("no price", MODEL.to_owned()),
        ("prices that cannot be", format!("{MODEL}list_price = {{ input = '-1', output = 2.5, cache_red = '1' }}\n")),
        (
            "half a long context",
            format!("{MODEL}list_price = {{ input = '1', output = '2', long_context_over = 5 }}\n"),
        ),
        ("ratios", format!("{}{price}", MODEL.replace("ratio = 2", "ratio = 0"))),
        (
            "sizes",
            format!("{MODEL}{price}").replace("ratio = 2", "ratio = 2\ncontext_window = 10\nmax_output_tokens = 11"),
        ),
        ("another modality", format!("{}{price}", MODEL.replace("'text'", "'video'"))),
        (
            "image prices by the token",
            format!("{}{price}", MODEL.replace("'text'", "'image'").replace("'anthropic'", "'ark'")),
        ),
        (
            "images by two protocols",
            format!(
                "{}list_price = {{ 1K = '1' }}\n",
                MODEL.replace("'text'", "'image'").replace("'anthropic'", "['ark', 'novelai']")
            ),
        ),
        (
            "voice prices by the token",
            format!(
                "{}max_output_tokens = 5\n{price}",
                MODEL.replace("'text'", "'voice'").replace("'anthropic'", "'ark'")
            ),
        ),
        ("text prices by the minute", format!("{MODEL}list_price = {{ per_minute = '1' }}\n")),
    ];
    let report: Vec<_> = cases.iter().map(|(what, text)| format!("# {what}\n{}\n", errors(text))).collect();
    let report = report.join("\n");
    assert!(!report.contains("canary"), "a secret was printed");
    insta::assert_snapshot!(report);
}

#[test]
fn voices_are_laid_over_the_built_in_ones() {
    let own = "[[providers]]\nid = 'e'\nkind = 'elevenlabs'\nbase_url = 'http://127.0.0.1:9100'\napi_keys = ['k']\n\
               voices = { narrator = 'abc', echo = 'def' }\n";
    let environment = environment().with_variable("LMHAVEN__PROVIDERS__E__VOICES__NOVA", "ghi");
    let config = Config::parse(Some(("own.toml", own)), &environment).unwrap();
    let voices = config.providers[0].voices.as_ref().unwrap();
    let id = |name| voices.find(name).map(|id| id.as_str().to_owned());
    let found = ["narrator", "echo", "nova", "alloy", "nobody"].map(id);
    let expected = [Some("abc"), Some("def"), Some("ghi"), Some("21m00Tcm4TlvDq8ikWAM"), None];
    assert_eq!(found, expected.map(|id| id.map(str::to_owned)));
    let shipped = Config::parse(None, &FixedEnvironment::default()).unwrap();
    assert!(
        shipped.providers.iter().all(|provider| provider.voices.is_some() == (provider.id.as_str() == "elevenlabs"))
    );
}

#[test]
fn a_file_that_was_named_has_to_exist() {
    let refused = Config::load(Some(Path::new("nowhere.toml")), &environment()).unwrap_err();
    assert_eq!(refused.to_string(), "nowhere.toml: cannot be read: entity not found");
    assert!(Config::load(None, &environment()).is_ok(), "the default file need not exist");
}
