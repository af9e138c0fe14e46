# The group counts on an instance only after it said that its worker runs.
answer() {
    aws autoscaling complete-lifecycle-action --region "$region" --auto-scaling-group-name "$group" --lifecycle-hook-name "$boot" \
        --instance-id "$(metadata meta-data/instance-id)" --lifecycle-action-result "$1" || say "the group was not told: $1"
}

failed() {
    # What fails within $(...) fails once more where its output is wanted, and is told of there.
    [ "$BASH_SUBSHELL" -eq 0 ] || exit 1
    say "the worker could not be started: line $1"
    answer ABANDON
    exit 1
}
trap 'failed $LINENO' ERR

fetch
instance=$(metadata meta-data/instance-id)

cat >/etc/systemd/system/dth-worker.service <<END
[Unit]
Description=Data Transfer Hub: worker of $stack
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=/opt/dth/$program --config $config --log-group $logs --log-stream $instance --log-spool /var/lib/dth/log --auto-scaling-group $group --lifecycle-hook $drain
Restart=always
RestartSec=10
# A worker ends with 0 only when it has drained because its instance is to go.
RestartPreventExitStatus=0
Environment=AWS_REGION=$region TMPDIR=/var/tmp
DynamicUser=yes
StateDirectory=dth
WorkingDirectory=/var/lib/dth
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
LimitNOFILE=65536
# A Spot instance is gone two minutes after its notice.
TimeoutStopSec=110

[Install]
WantedBy=multi-user.target
END

systemctl daemon-reload
systemctl enable --now dth-worker.service
# A worker that cannot read its configuration ends within seconds.
sleep 15
systemctl is-active --quiet dth-worker.service
say "the worker runs"
answer CONTINUE
