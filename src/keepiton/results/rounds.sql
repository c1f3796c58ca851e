-- Folds raw rows into rounds: one target in one run, reached or not.
-- An end (address and port) is judged by its last attempt; a target is reached when any end is.
-- A certificate that does not verify leaves open who answered: neither reached nor not.
with runs as (
    select run, any_value(vantage) as vantage, any_value(perspective) as perspective
    from lines
    where type = 'run' and regexp_full_match(run, '[0-9a-f]{12}')
      and regexp_full_match(vantage, '[a-z0-9][a-z0-9-]{0,31}')
      and perspective in ('inside', 'outside')
    group by run
    having count(distinct (vantage, perspective)) = 1
),
rows_once as (
    select
        run, target, operator, coalesce(role, 'other') as role, control, "check",
        case when stage in ('dns', 'tcp', 'tls', 'http') then stage end as stage,
        attempt, "at" as seen_at, state, failure, address, port, transport,
        min(parse_filename(filename)) as file
    from lines
    where type = 'measurement' and target is not null and state is not null
      and hop is null and aside is null  -- the target's own chain
      and "at" between timestamp '2000-01-01' and timestamp '2100-01-01'
    group by all
),
ends as (
    select
        run, target, operator, role, control,
        case when control is null then null else "check" end as look,
        address, coalesce(port, 0) as port,
        case when address is null then null when stage = 'dns' then transport else 'tcp' end
            as asked_over,
        attempt,
        min(seen_at) as seen_at,
        min("check") as first_check,
        max("check") as last_check,
        bool_or(state = 'ok') and not bool_or(state in ('fail', 'inconclusive')) as ok,
        bool_or(state = 'fail') as failed,
        bool_or(state = 'skipped') as skipped,
        bool_and(state != 'fail' or failure like 'ssl\_%' escape '\') as only_certificate,
        arg_max(stage, seen_at) filter (where state in ('fail', 'inconclusive')) as stage,
        arg_max(failure, seen_at) filter (where state in ('fail', 'inconclusive')) as failure,
        min(file) as file
    from rows_once
    group by run, target, operator, role, control, look, address, port, asked_over, attempt
),
last_tries as (
    select * from ends
    qualify row_number() over (
        partition by run, target, look, address, port, asked_over order by attempt desc
    ) = 1
)
select
    t.run, r.vantage, r.perspective, t.target, t.operator, t.role, t.control, t.look,
    min(t.seen_at) as seen_at,
    min(t.first_check) as first_check,
    max(t.last_check) as last_check,
    case
        when bool_or(t.ok and t.address is not null) then true
        when bool_or(t.failed and not t.only_certificate) then false
    end as reached,
    coalesce(
        arg_max(t.stage, t.seen_at) filter (where t.failed and t.address is not null),
        arg_max(t.stage, t.seen_at) filter (where t.stage is not null)
    ) as stage,
    coalesce(
        arg_max(t.failure, t.seen_at) filter (where t.failed and t.address is not null),
        arg_max(t.failure, t.seen_at) filter (where t.failure is not null)
    ) as failure,
    bool_or(t.address is not null) as resolved,
    bool_or(t.address is null) as named,  -- a name was looked up
    min(t.file) as file
from last_tries t join runs r using (run)
where not t.skipped
group by t.run, r.vantage, r.perspective, t.target, t.operator, t.role, t.control, t.look
order by seen_at, t.run, t.target, t.look
