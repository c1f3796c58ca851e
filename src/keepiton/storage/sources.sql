-- Aggregates the first and last lines of runs, and what cannot be read: one row a file and run.
-- Of a run that gives two vantages or perspectives the column is '!', which is no valid name.
select
    run, path, min(file) as file,
    case when min(vantage) <> max(vantage) then '!' else min(vantage) end as vantage,
    case when min(perspective) <> max(perspective) then '!' else min(perspective) end as perspective,
    max(country) as country,
    max(format) as format,
    max(case when type = 'end' then 1 else 0 end) as sealed,
    max(case when line = 'mixed' then 1 else 0 end) as mixed,
    cast(sum(unreadable) as integer) as unreadable,
    max(clock_offset_ms) as clock_offset_ms
from checked_lines
where type <> 'measurement' or unreadable = 1
group by run, path
