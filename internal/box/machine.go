//go:build linux && amd64

package box

import (
	"fmt"
	"strings"
)

// machineFiles are the files of /proc that tell of the machine.
var machineFiles = map[string]func(x *tracer, t *thread) string{
	"stat":    (*tracer).procStat,
	"uptime":  (*tracer).procUptime,
	"loadavg": (*tracer).procLoad,
	"sys/kernel/ns_last_pid": func(x *tracer, _ *thread) string {
		return fmt.Sprintf("%d\n", x.lastID())
	},
	"sys/kernel/random/uuid": func(_ *tracer, t *thread) string {
		return uuid(t.proc.rand.bytes(16)) + "\n"
	},
	"sys/kernel/random/boot_id": func(x *tracer, _ *thread) string {
		return uuid(x.stream("boot").bytes(16)) + "\n"
	},
	"cpuinfo":    says(cpuInfo),
	"meminfo":    says(memInfo()),
	"version":    says("Linux version " + kernelName + " (coo@coo) (gcc) #1 SMP coo\n"),
	"cmdline":    says("BOOT_IMAGE=/vmlinuz root=/dev/root ro\n"),
	"vmstat":     says("nr_free_pages 1048576\npgfault 0\npgmajfault 0\n"),
	"interrupts": says("           CPU0\n"),
	"softirqs":   says("                    CPU0\n"),
	"diskstats":  says(""), "partitions": says("major minor  #blocks  name\n\n"),
	"swaps":       says("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
	"filesystems": says("nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevtmpfs\nnodev\tdevpts\n\text4\n"),
	"devices":     says("Character devices:\n  1 mem\n  5 /dev/tty\n136 pts\n\nBlock devices:\n"),
	"cgroups":     says("#subsys_name\thierarchy\tnum_cgroups\tenabled\n"),
	"modules":     says(""), "misc": says(""), "crypto": says(""), "locks": says(""), "keys": says(""), "key-users": says(""),
	"slabinfo": says(""), "buddyinfo": says(""), "zoneinfo": says(""), "pagetypeinfo": says(""), "schedstat": says(""),
	"iomem": says(""), "ioports": says(""), "dma": says(""), "consoles": says(""), "timer_list": says(""),
	"execdomains":  says("0-0\tLinux           \t[kernel]\n"),
	"pressure/cpu": says(pressure), "pressure/io": says(pressure), "pressure/memory": says(pressure),
}

// settings are the files of /proc/sys, with what they say.
var settings = func() map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(settingLines) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		m["sys/"+name] = value
	}
	return m
}()

const settingLines = `kernel/hostname ` + HostName + `
kernel/domainname (none)
kernel/ostype Linux
kernel/osrelease ` + kernelName + `
kernel/version #1 SMP coo
kernel/arch x86_64
kernel/pid_max 32768
kernel/threads-max 63000
kernel/ngroups_max 65536
kernel/cap_last_cap 40
kernel/randomize_va_space 0
kernel/core_pattern core
kernel/core_uses_pid 0
kernel/tainted 0
kernel/panic 0
kernel/perf_event_paranoid 3
kernel/perf_event_max_sample_rate 100000
kernel/kptr_restrict 1
kernel/dmesg_restrict 1
kernel/yama/ptrace_scope 1
kernel/unprivileged_userns_clone 1
kernel/io_uring_disabled 2
kernel/seccomp/actions_avail kill_process kill_thread trap errno user_notif trace log allow
kernel/sched_rt_runtime_us 950000
kernel/sched_rt_period_us 1000000
kernel/sem 32000	1024000000	500	32000
kernel/shmmax 18446744073692774399
kernel/shmall 18446744073692774399
kernel/shmmni 4096
kernel/msgmax 8192
kernel/msgmnb 16384
kernel/msgmni 32000
kernel/random/entropy_avail 256
kernel/random/poolsize 256
kernel/random/urandom_min_reseed_secs 60
kernel/numa_balancing 0
vm/overcommit_memory 0
vm/overcommit_ratio 50
vm/max_map_count 65530
vm/swappiness 60
vm/mmap_min_addr 65536
vm/nr_hugepages 0
vm/min_free_kbytes 67584
vm/vfs_cache_pressure 100
vm/zone_reclaim_mode 0
fs/file-max 9223372036854775807
fs/file-nr 1024	0	9223372036854775807
fs/nr_open 1048576
fs/inode-nr 16384	0
fs/inode-state 16384	0	0	0	0	0	0
fs/dentry-state 16384	0	45	0	0	0
fs/pipe-max-size 1048576
fs/pipe-user-pages-soft 16384
fs/pipe-user-pages-hard 0
fs/aio-max-nr 65536
fs/aio-nr 0
fs/suid_dumpable 0
fs/protected_hardlinks 1
fs/protected_symlinks 1
fs/protected_fifos 1
fs/protected_regular 2
fs/inotify/max_user_watches 65536
fs/inotify/max_user_instances 128
fs/inotify/max_queued_events 16384
fs/epoll/max_user_watches 1800000
fs/mqueue/msg_max 10
fs/mqueue/msgsize_max 8192
fs/mqueue/queues_max 256
net/core/somaxconn 4096
net/core/rmem_default 212992
net/core/rmem_max 212992
net/core/wmem_default 212992
net/core/wmem_max 212992
net/core/netdev_max_backlog 1000
net/core/optmem_max 131072
net/ipv4/ip_local_port_range 32768	60999
net/ipv4/ip_unprivileged_port_start 1024
net/ipv4/ip_forward 0
net/ipv4/ping_group_range 1	0
net/ipv4/tcp_rmem 4096	131072	6291456
net/ipv4/tcp_wmem 4096	16384	4194304
net/ipv4/tcp_mem 91674	122232	183348
net/ipv4/tcp_fastopen 1
net/ipv4/tcp_syncookies 1
net/ipv4/tcp_fin_timeout 60
net/ipv4/tcp_keepalive_time 7200
net/ipv4/tcp_keepalive_intvl 75
net/ipv4/tcp_keepalive_probes 9
net/ipv4/tcp_tw_reuse 2
net/ipv4/tcp_congestion_control cubic
net/ipv4/tcp_available_congestion_control reno cubic
net/ipv4/tcp_max_syn_backlog 512
net/ipv6/conf/all/disable_ipv6 0
net/ipv6/conf/default/disable_ipv6 0
net/ipv6/bindv6only 0
crypto/fips_enabled 0
`

func says(s string) func(*tracer, *thread) string {
	return func(*tracer, *thread) string { return s }
}

const pressure = "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"

// cpuInfo tells of a processor that can do what all of this architecture can.
const cpuInfo = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 63\nmodel name\t: coo\nstepping\t: 0\n" +
	"cpu MHz\t\t: 2000.000\ncache size\t: 4096 KB\nphysical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\napicid\t\t: 0\n" +
	"fpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: 13\nwp\t\t: yes\n" +
	"flags\t\t: fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 ht syscall nx lm " +
	"constant_tsc rep_good nopl cpuid pni ssse3 cx16 sse4_1 sse4_2 popcnt lahf_lm\n" +
	"bugs\t\t:\nbogomips\t: 4000.00\nclflush size\t: 64\ncache_alignment\t: 64\naddress sizes\t: 46 bits physical, 48 bits virtual\npower management:\n\n"

func memInfo() string {
	const kb = memory >> 10
	var b strings.Builder
	for _, l := range []struct {
		name string
		kb   int
	}{
		{"MemTotal", kb},
		{"MemFree", kb / 2},
		{"MemAvailable", kb / 2},
		{"Buffers", 0},
		{"Cached", kb / 4},
		{"SwapCached", 0},
		{"Active", kb / 4},
		{"Inactive", kb / 4},
		{"SwapTotal", 0},
		{"SwapFree", 0},
		{"Dirty", 0},
		{"Writeback", 0},
		{"AnonPages", kb / 8},
		{"Mapped", kb / 16},
		{"Shmem", 0},
		{"Slab", kb / 32},
		{"SReclaimable", kb / 64},
		{"SUnreclaim", kb / 64},
		{"CommitLimit", kb / 2},
		{"Committed_AS", kb / 8},
		{"VmallocTotal", 34359738367},
		{"VmallocUsed", 0},
	} {
		fmt.Fprintf(&b, "%-16s%8d kB\n", l.name+":", l.kb)
	}
	b.WriteString("HugePages_Total:       0\nHugePages_Free:        0\nHugepagesize:       2048 kB\n")
	return b.String()
}

// procStat tells the processor's time in hundredths of a second, and when the
// machine was started.
func (x *tracer) procStat(*thread) string {
	busy := x.now / (second / 100)
	idle := int64(sinceBoot) / (second / 100)
	cpu := fmt.Sprintf("%d 0 0 %d 0 0 0 0 0 0\n", busy, idle)
	return fmt.Sprintf("cpu  %scpu0 %sintr 0\nctxt 0\nbtime %d\nprocesses %d\nprocs_running 1\nprocs_blocked 0\nsoftirq 0\n",
		cpu, cpu, (x.Start-sinceBoot)/second, len(x.processes))
}

func (x *tracer) procUptime(*thread) string {
	return fmt.Sprintf("%.2f %.2f\n", float64(sinceBoot+x.now)/1e9, float64(sinceBoot)/1e9)
}

func (x *tracer) procLoad(*thread) string {
	return fmt.Sprintf("0.00 0.00 0.00 1/%d %d\n", len(x.threads), x.lastID())
}

// lastID is the greatest number of a thread.
func (x *tracer) lastID() int {
	last := 0
	for _, t := range x.threads { // order: the greatest is the same in any
		last = max(last, t.id)
	}
	return last
}

// uuid writes a random number as one of version 4.
func uuid(b []byte) string {
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
