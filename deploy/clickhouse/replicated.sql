CREATE DATABASE IF NOT EXISTS shadow;

CREATE TABLE IF NOT EXISTS shadow.migrations (name String, applied_at DateTime)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/shadow/migrations', '{replica}', applied_at) ORDER BY name;

CREATE TABLE IF NOT EXISTS shadow.exchanges (
    exchange_id FixedString(16), day Date, pod String, version UInt64,
    outcome String,
    tenant Nullable(String), feature Nullable(String), plan Nullable(String), key_fingerprint Nullable(String),
    method String, path String,
    started_at Nullable(Float64), status Nullable(Int64), failure Nullable(String), inference Nullable(UInt8),
    stream Nullable(UInt8), request_model Nullable(String), response_model Nullable(String), provider Nullable(String),
    generation_id Nullable(String), input_tokens Nullable(Int64), output_tokens Nullable(Int64),
    cache_read_input_tokens Nullable(Int64), cache_write_input_tokens Nullable(Int64),
    reasoning_output_tokens Nullable(Int64), cost_nano_usd Nullable(Int64), cost_usd_exact Nullable(String),
    cost_source Nullable(String), cost_normalised_nano_usd Nullable(Int64),
    cost_normalised_usd_exact Nullable(String), price_version Nullable(String), stated_cost_usd Nullable(String),
    first_byte_s Nullable(Float64), ttft_s Nullable(Float64), total_s Nullable(Float64), tpot_s Nullable(Float64),
    largest_gap_s Nullable(Float64), ttft_bucket Nullable(Int16), total_bucket Nullable(Int16),
    tpot_bucket Nullable(Int16), finish_reason Nullable(String), error_kind Nullable(String),
    features Nullable(String), anomalies Nullable(String), request_bytes Nullable(Int64),
    response_bytes Nullable(Int64),
    byok Nullable(UInt8), client_timeout_s Nullable(Float64)
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/shadow/exchanges', '{replica}', version)
PARTITION BY toYYYYMM(day) ORDER BY exchange_id;

CREATE TABLE IF NOT EXISTS shadow.replays (
    exchange_id FixedString(16), day Date, pod String, version UInt64,
    arm String, outcome Nullable(String), reason Nullable(String), probability Nullable(Float64),
    conversation Nullable(Int64), sent_at Nullable(Float64), rewrite Nullable(String),
    started_at Nullable(Float64), status Nullable(Int64), failure Nullable(String), inference Nullable(UInt8),
    stream Nullable(UInt8), request_model Nullable(String), response_model Nullable(String), provider Nullable(String),
    generation_id Nullable(String), input_tokens Nullable(Int64), output_tokens Nullable(Int64),
    cache_read_input_tokens Nullable(Int64), cache_write_input_tokens Nullable(Int64),
    reasoning_output_tokens Nullable(Int64), cost_nano_usd Nullable(Int64), cost_usd_exact Nullable(String),
    cost_source Nullable(String), cost_normalised_nano_usd Nullable(Int64),
    cost_normalised_usd_exact Nullable(String), price_version Nullable(String), stated_cost_usd Nullable(String),
    first_byte_s Nullable(Float64), ttft_s Nullable(Float64), total_s Nullable(Float64), tpot_s Nullable(Float64),
    largest_gap_s Nullable(Float64), ttft_bucket Nullable(Int16), total_bucket Nullable(Int16),
    tpot_bucket Nullable(Int16), finish_reason Nullable(String), error_kind Nullable(String),
    features Nullable(String), anomalies Nullable(String), request_bytes Nullable(Int64),
    response_bytes Nullable(Int64),
    finish_reason_same Nullable(UInt8), tool_names_same Nullable(UInt8), tool_calls_same Nullable(UInt8),
    json_valid Nullable(UInt8), primary_json_valid Nullable(UInt8), schema_valid Nullable(UInt8),
    primary_schema_valid Nullable(UInt8), refused Nullable(UInt8), primary_refused Nullable(UInt8),
    text_similarity Nullable(Float64), agreement_notes Nullable(String), rejected_parameter Nullable(String),
    tenant Nullable(String), feature Nullable(String), plan Nullable(String), key_fingerprint Nullable(String),
    primary_outcome String, primary_error_kind Nullable(String), primary_request_model Nullable(String),
    primary_features Nullable(String),
    primary_cost_nano_usd Nullable(Int64),
    draw Nullable(Int16), code Nullable(Int64), w Nullable(Float64), p_cost Nullable(Int64), c_cost Nullable(Int64),
    p_normalised Nullable(Int64), c_normalised Nullable(Int64), p_ttft Nullable(Int16), c_ttft Nullable(Int16),
    p_total Nullable(Int16), c_total Nullable(Int16), p_tpot Nullable(Int16), c_tpot Nullable(Int16),
    p_ttft_us Nullable(Int64), c_ttft_us Nullable(Int64), p_total_us Nullable(Int64), c_total_us Nullable(Int64),
    p_tpot_us Nullable(Int64), c_tpot_us Nullable(Int64), similarity Nullable(Float64)
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/shadow/replays', '{replica}', version)
PARTITION BY toYYYYMM(day) ORDER BY (exchange_id, arm);

INSERT INTO shadow.migrations VALUES ('0001-exchanges-and-replays', now());
