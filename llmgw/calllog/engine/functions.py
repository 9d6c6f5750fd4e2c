"""What a caller's query may call: numbers, texts, times, lists, sums; nothing that reads, waits, tells or sets."""

from typing import Final

_OPERATORS: Final = """
!= !__postfix !~~ !~~* % & && * ** + - ->> / // < << <= <@ = > >= >> @ @> ^ ^@ | || ~ ~~ ~~* ~~~ & -> xor
"""
_NUMBERS: Final = """
abs acos asin atan atan2 bit_count cbrt ceil ceiling cos cot degrees divide even exp factorial fdiv floor fmod
gamma gcd greatest greatest_common_divisor isfinite isinf isnan lcm least least_common_multiple lgamma ln log
log10 log2 mod multiply nextafter pi pow power radians random round round_even sign signbit sin sqrt subtract
add tan trunc
"""
_TEXTS: Final = """
array_to_string ascii bar char_length character_length chr concat concat_ws contains damerau_levenshtein
ends_with format format_bytes formatReadableDecimalSize formatReadableSize formatreadabledecimalsize
formatreadablesize hash hex instr jaccard jaro_similarity jaro_winkler_similarity lcase left len length
levenshtein lower lpad ltrim md5 nfc_normalize ord position prefix printf regexp_escape regexp_extract
regexp_extract_all regexp_full_match regexp_matches regexp_replace regexp_split_to_array replace reverse right
rpad rtrim sha256 split split_part starts_with str_split str_split_regex string_split string_split_regex
string_to_array strip_accents strlen strpos substr substring suffix translate trim ucase unicode upper
like_escape ilike_escape not_like_escape not_ilike_escape
"""
_TIMES: Final = """
age century current_date current_localtimestamp date_add date_diff date_part date_sub date_trunc datediff
datepart datesub datetrunc day dayname dayofmonth dayofweek dayofyear decade epoch epoch_ms epoch_ns epoch_us
get_current_timestamp get_current_time hour isodow isoyear last_day make_date make_time make_timestamp
make_timestamp_ms make_timestamptz microsecond millisecond minute month monthname now quarter second strftime
strptime time_bucket timezone to_days to_hours to_microseconds to_milliseconds to_minutes to_months to_seconds
to_timestamp to_weeks to_years today try_strptime week weekday weekofyear year yearweek
"""
_LISTS: Final = """
apply array_aggregate array_append array_apply array_concat array_contains array_distinct array_extract
array_filter array_has array_has_all array_has_any array_indexof array_intersect array_length array_position
array_reverse array_slice array_sort array_transform array_unique element_at filter flatten generate_series
json_object json_array to_json list_aggregate list_any_value list_append list_apply list_avg list_concat
list_contains list_count list_distinct list_element list_extract list_filter list_first list_has list_has_all
list_has_any list_histogram list_indexof list_intersect list_last list_max list_median list_min list_mode
list_position list_prepend list_reduce list_reverse list_reverse_sort list_select list_slice list_sort
list_string_agg list_sum list_transform list_unique list_value list_where list_zip map map_entries map_extract
map_from_entries map_keys map_values range reduce row struct_extract struct_pack unnest cardinality
"""
_SUMS: Final = """
any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max arg_min argmax argmin array_agg
avg bit_and bit_or bit_xor bool_and bool_or corr count count_if count_star countif covar_pop covar_samp entropy
favg first fsum geomean geometric_mean group_concat grouping grouping_id histogram histogram_exact kahan_sum
kurtosis last list listagg mad max max_by mean median min min_by mode product quantile quantile_cont
quantile_disc regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy sem
skewness stddev stddev_pop stddev_samp string_agg sum sumkahan var_pop var_samp variance weighted_avg wavg
"""
_WINDOWS: Final = """
cume_dist dense_rank fill first_value lag last_value lead nth_value ntile percent_rank rank rank_dense
row_number
"""
_OTHERS: Final = "alias coalesce constant_or_null if ifnull nullif typeof"

FUNCTIONS: Final = frozenset(
    f"{_OPERATORS} {_NUMBERS} {_TEXTS} {_TIMES} {_LISTS} {_SUMS} {_WINDOWS} {_OTHERS}".split()
)
"""Names of functions and operators, in lower case."""
TABLE_FUNCTIONS: Final = frozenset({"range", "generate_series", "unnest"})
"""What may stand in FROM and be called."""
