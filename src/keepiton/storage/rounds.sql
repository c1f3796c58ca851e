-- Aggregates measurements into rounds: one target in one run (of a control: in one connectivity
-- check), with its result.
-- Every aggregate is a least or a greatest one, so order, copies and splits of files cannot matter.
-- An end (address and port) is judged by its last attempt; a target is reached when any end is.
-- Most rounds hold nothing but answers: only the others are aggregated end by end. Reading the lines
-- again is cheaper than keeping them in between.
with measured as not materialized (  -- the target's own stages: no redirects, no side measurements
    select
        run, target, coalesce(operator, '') as operator, coalesce(role, 'other') as role,
        coalesce(control, '') as control,
        case when control is null then -1 else coalesce("check", -1) end as check_number,
        "check" as checked,
        -- In the order of what tells most: a dead connection says more than a dead lookup beside it.
        case stage when 'tcp' then 1 when 'dns' then 2 when 'tls' then 3 when 'http' then 4
             else 5 end as stage,
        coalesce(attempt, 1) as attempt, "at" as seen_at, duration_ms, state,
        coalesce(failure, '') as failure, address, port, transport, file
    from checked_lines
    where type = 'measurement' and unreadable = 0 and hop is null and aside is null
),
groups as (
    select
        run, target, operator, role, control, check_number,
        max(case when state = 'ok' then 0 else 1 end) as troubled,
        max(case when address is not null then 1 else 0 end) as answered,
        max(case when address is null then 1 else 0 end) as named,
        min(stage) as first_stage, max(stage) as last_stage,
        max(case stage when 3 then 1 else 0 end) as shook_hands,
        max(duration_ms) as latency_ms,
        min(seen_at) as seen_at, min(checked) as first_check, max(checked) as last_check
    from measured
    group by run, target, operator, role, control, check_number
),
troubled as (
    select run as t_run, target as t_target, operator as t_operator, role as t_role,
           control as t_control, check_number as t_check_number
    from groups where troubled = 1
),
ranked as (  -- their rows; the failure of the least rank, and of these the least, describes a round
    select
        *, case when address is not null and stage = 2 then transport end as asked_over,
        case when state in ('fail', 'inconclusive') then (9 - attempt) * 10 + stage else 9999
             end as failure_rank
    from measured
    join troubled on run = t_run and target = t_target and operator = t_operator
        and role = t_role and control = t_control and check_number = t_check_number
),
ends as (
    select
        run, target, operator, role, control, check_number, address, port, asked_over,
        max(attempt) as attempt,
        max(case when state = 'ok' then attempt else 0 end) as ok,
        max(case when state in ('fail', 'inconclusive') then attempt else 0 end) as not_ok,
        max(case when state = 'fail' then attempt else 0 end) as failed,
        -- A certificate that does not verify leaves open who answered.
        max(case when state = 'fail' and not starts_with(failure, 'ssl_')
                 then attempt else 0 end) as dead,
        max(case when state = 'skipped' then attempt else 0 end) as skipped,
        min(failure_rank) as failure_rank,
        arg_min(failure, (failure_rank, failure)) as failure,
        min(case when state = 'fail' then stage end) as first_failed,
        max(case when state = 'fail' then stage end) as last_failed,
        max(case when state = 'ok' then duration_ms end) as latency_ms,
        min(stage) as first_stage, max(stage) as last_stage,
        max(case stage when 2 then 1 else 0 end) as asked_name,
        max(case stage when 3 then 1 else 0 end) as shook_hands,
        min(seen_at) as seen_at, min(checked) as first_check, max(checked) as last_check,
        min(case when state in ('fail', 'inconclusive') then file end) as file
    from ranked
    group by run, target, operator, role, control, check_number, address, port, asked_over
),
tried as (
    select *,
        -- Of a name of which one question failed and another came back empty, the failure, if it is
        -- dead.
        case when address is not null or ok < attempt then failure_rank
             when dead = attempt then failure_rank + 1000 else 9999 end as end_rank
    from ends where skipped < attempt
)
-- The flags of a round are bits: reached 1, dead 2, confirmed 4, without a name 8, named 16,
-- resolved 32, of one stage 64, and which stages were tried: dns 128, tcp 256, tls 512, http 1024.
-- Its stage is a number as above; of a round without a failure, stage and failure are null.
select
    run, target, operator, role, control, check_number, seen_at, first_check, last_check,
    cast(answered * 33 + named * 16 + case when first_stage = last_stage then 64 else 0 end
         + case when named = 1 or first_stage = 2 or last_stage = 2 then 128 else 0 end
         + case when first_stage = 1 then 256 else 0 end
         + shook_hands * 512 + case when last_stage = 4 then 1024 else 0 end
         as integer) as flags,
    latency_ms, cast(null as integer) as stage, cast(null as varchar) as failure,
    cast(null as varchar) as file
from groups where troubled = 0
union all
select
    run, target, operator, role, control, check_number,
    min(seen_at), min(first_check), max(last_check),
    cast(max(case when address is not null and ok = attempt and not_ok < attempt then 1 else 0 end)
        + max(case when dead = attempt then 2 else 0 end)
        + max(case when dead = attempt and (attempt > 1 or first_failed <> last_failed)
              then 4 else 0 end)
        + max(case when address is null and failed = attempt and ok < attempt then 8 else 0 end)
        + max(case when address is null then 16 else 0 end)
        + max(case when address is not null then 32 else 0 end)
        + case when min(first_stage) = max(last_stage) then 64 else 0 end
        + max(asked_name) * 128 + case when min(first_stage) = 1 then 256 else 0 end
        + max(shook_hands) * 512 + case when max(last_stage) = 4 then 1024 else 0 end
        as integer),
    min(latency_ms),
    case when min(end_rank) < 9999 then cast(min(end_rank) % 10 as integer) end,
    case when min(end_rank) < 9999 then arg_min(failure, (end_rank, failure)) end,
    min(file)
from tried
group by run, target, operator, role, control, check_number
