"""The statistics of the verdict: counts in, a verdict and the numbers it rests on out.

What belongs here: pure functions and small classes over numbers, each with its formula, assumption and source; the
standard library only. What does not: where counts come from (``observe``), clocks, files, and acting on a verdict.

How it hangs together, bottom up:

===============  ================================================================================================
``binomial``     bounds for a share, and how far counts scatter beyond chance
``reference``    what the baseline says of one signal: its usual share, the most that passes for unchanged, the bad
``calibration``  evidence weighed by the baseline's own bursts
``evidence``     evidence that a share has risen, valid at every look; evidence that it has not
``arms``         the same from two releases that serve side by side
``power``        what could be seen by now, and how many requests the rest would take
``latency``      durations as counts: the share slower than the baseline's p50 and p95
``persistence``  hard limits for memory, queues, restarts: k of the last n looks
``threshold``    how much evidence takes a change back
``findings``     the numbers of each signal, and the verdict that rests on them
``signals``      one signal under watch
``verdict``      the judge: fed bucket by bucket, it answers with findings and a verdict
===============  ================================================================================================
"""
