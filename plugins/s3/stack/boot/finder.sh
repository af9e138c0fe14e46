# The first finder of a stack tells CloudFormation that it runs, or why it does not. Later ones are not listened to.
signal() {
    curl -sS --max-time 30 --retry 5 --retry-all-errors -X PUT -H 'Content-Type:' \
        --data-binary "{\"Status\":\"$1\",\"UniqueId\":\"$(metadata meta-data/instance-id || echo finder)\",\"Reason\":\"$2\",\"Data\":\"\"}" \
        "$handle" >/dev/null || say "CloudFormation was not told that the finder is $1"
}

# alarm counts a pass that failed; an alarm watches.
alarm() {
    aws cloudwatch put-metric-data --region "$region" --namespace DataTransferHub --metric-name FailedPasses \
        --dimensions "StackName=$stack" --value 1 || say "the alarm for this pass was not raised"
}

# Whatever happens, the instance ends: a shutdown terminates it.
failed() {
    # What fails within $(...) fails once more where its output is wanted, and is told of there.
    [ "$BASH_SUBSHELL" -eq 0 ] || exit 1
    say "the finder could not be started: line $1"
    signal FAILURE "The finder could not be started. The system log of the instance says why."
    alarm
    systemctl --no-block poweroff
    exit 1
}
trap 'failed $LINENO' ERR

# Leases are held in the name of the instance: whoever ends instances that hang tells by it who is alive.
holder=$(metadata meta-data/instance-id)

# What the instance is for is in its tags; without any, it makes a pass.
tag() { metadata "meta-data/tags/instance/$1" 2>/dev/null || true; }
mode=$(tag DthMode)
run=$(tag DthRun)
request=$(tag DthRequest)
[[ $run$request =~ ^[A-Za-z0-9._-]*$ ]]
case $mode in
close) task="--close $run" ;;
plan | check) task="--$mode${request:+ --answer $request}" ;;
*) mode=pass task="--close-empty --auto-scaling-group $group${run:+ --run-id $run}" ;;
esac

fetch

# Both ends are looked at first, without writing to them, so that a stack that cannot work is refused with the reason. The pass is made anyway: it
# puts on record what is wrong.
status=SUCCESS reason='The first finder runs.'
if ! problems=$(AWS_REGION=$region "/opt/dth/$program" --config "$config" --check --no-probe 2>&1 >/dev/null); then
    status=FAILURE
    reason=$(tr -c '[:alnum:] .,:;/()_=@*?&%+-' ' ' <<<"$problems" | cut -c 1-900)
fi

# A program that was killed (137 and the like) goes on with its pass; one that ended by itself has said what it had to say.
# Of a run that was closed, 1 says that objects failed, which is no failure of the pass.
{
    echo '#!/bin/bash'
    declare -p stack region mode
    declare -f say alarm
    cat <<'END'
for try in 1 2 3; do
    "$@"
    code=$?
    [ "$code" -ge 128 ] || break
    say "the finder was stopped by a signal, exit code $code" >&2
    sleep 10
done
case $mode:$code in
*:0 | close:1 | plan:* | check:*) ;;
*) alarm ;;
esac
exit "$code"
END
} >/opt/dth/pass
chmod 0755 /opt/dth/pass

# The console of the instance keeps the last lines, even after it is gone.
cat >/etc/systemd/system/dth-finder.service <<END
[Unit]
Description=Data Transfer Hub: $mode of $stack
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/opt/dth/pass /opt/dth/$program --config $config --log-group $logs --log-stream $holder --log-spool /var/lib/dth/log --holder $holder $task
ExecStopPost=+/usr/bin/systemctl --no-block poweroff
Environment=AWS_REGION=$region TMPDIR=/var/tmp
DynamicUser=yes
StateDirectory=dth
WorkingDirectory=/var/lib/dth
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
LimitNOFILE=65536
TimeoutStopSec=120
StandardOutput=journal+console
StandardError=journal+console
END

systemctl daemon-reload
systemctl start dth-finder.service
say "the finder runs"
signal "$status" "$reason"
